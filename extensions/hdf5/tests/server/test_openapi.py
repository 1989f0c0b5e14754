"""The description says what is there, no more and no less, and what is there does what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import requests
import schemathesis
import server_operations
import yaml
from hypothesis import HealthCheck, Phase, settings
from openapi_spec_validator import validate
from panosc_hdf5.core.operations import TABLE
from panosc_hdf5.server.extension import Extension
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

TEXT = (Path(server_operations.__file__).parents[2] / "panosc_hdf5" / "server" / "openapi.yaml").read_text()
SPEC: dict[str, Any] = yaml.safe_load(TEXT)
SERVICE = {"live", "status", "openapi.yaml"}
OPERATIONS = sorted(set(TABLE) - set(server_operations.ENTRIES))


def resolved(parameter: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in parameter:
        return parameter
    found: dict[str, Any] = SPEC["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
    return found


def test_it_is_valid() -> None:
    validate(SPEC)


def test_its_paths_are_the_operations() -> None:
    paths = {path.removeprefix("/panosc-hdf5/") for path in SPEC["paths"]}
    assert paths == set(OPERATIONS) | SERVICE


@pytest.mark.parametrize("name", OPERATIONS)
def test_its_parameters_are_those_that_are_read(name: str) -> None:
    get = SPEC["paths"][f"/panosc-hdf5/{name}"]["get"]
    parameters = [resolved(parameter) for parameter in get["parameters"]]
    assert [parameter["name"] for parameter in parameters if parameter["name"] != "slot"] == list(
        TABLE[name].parameters
    )
    assert all(parameter["description"] for parameter in parameters)
    assert get["operationId"] == name
    assert get["summary"]


async def test_it_is_served(jp_fetch: Any, extension: Extension) -> None:
    response = await jp_fetch("panosc-hdf5", "openapi.yaml")
    assert response.headers["Content-Type"] == "application/yaml"
    assert response.body.decode() == TEXT


# Fuzzed on a server of its own, as it is in production.

TOKEN = "for-this-test"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzzed")
    with h5py.File(folder / "scan.h5", "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs.update({"NX_class": "NXentry", "default": "data"})
        data = entry.create_group("data")
        data.attrs.update({"NX_class": "NXdata", "signal": "image", "axes": ["t", "y", "x"]})
        data["image"] = np.random.default_rng(0).poisson(3, (3, 40, 50)).astype("u2")
        data["t"] = np.arange(3.0)
        data["curve"] = np.sin(np.arange(1000) / 50)
        data["text"] = "words"
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["cycle"] = h5py.SoftLink("/cycle")
    (folder / "broken.h5").write_bytes((folder / "scan.h5").read_bytes()[:3000])
    (folder / "notes.txt").write_text("no HDF5")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("home")
    (home / "jupyter_server_config.json").write_text(
        json.dumps({"ServerApp": {"jpserver_extensions": {"panosc_hdf5": True}}, "PanoscHDF5": {"cache_dir": "none"}})
    )
    runtime = home / "runtime"
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(home),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_DATA_DIR": str(home),
        "HOME": str(home),
    }
    command = ["-m", "jupyter_server", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", "--port-retries=0"]
    options = [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"]
    process = subprocess.Popen(
        [sys.executable, *command, *options], env=environment, stderr=subprocess.PIPE, text=True, cwd=home
    )
    assert process.stderr is not None
    try:
        url = ""
        for line in process.stderr:
            if "http://127.0.0.1:" in line:
                url = "http://127.0.0.1:" + line.split("http://127.0.0.1:")[1].split("/")[0]
                break
        assert url, "the server did not start"
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        yield url
    finally:
        process.terminate()
        process.wait(20)
        process.stderr.close()


SEEN: dict[str, set[int]] = {}
SCHEMA = schemathesis.openapi.from_dict(SPEC)
PATHS = ["scan.h5", "broken.h5", "notes.txt", "missing.h5", "/scan.h5", "../scan.h5", "RTC:scan.h5"]
H5PATHS = [
    "/",
    "/entry",
    "/entry/data",
    "/entry/data/image",
    "/entry/data/curve",
    "/entry/data/text",
    "/dangling",
    "/cycle",
    "x",
]
SLICES = ["0", ":", "0,:,:", "::2", "...", "-1", "0:2,3,:"]


@pytest.mark.slow
@SCHEMA.include(path_regex="^/panosc-hdf5/(?!live)").parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_fuzzed(case: schemathesis.Case, server: str) -> None:
    # Known names as often as random ones, or nothing but 404 would ever be seen. The choice is a function of the case.
    choice = sum(map(ord, json.dumps(case.query, sort_keys=True, default=str)))
    for name, known in {"path": PATHS, "h5path": H5PATHS, "slice": SLICES}.items():
        if name in (case.query or {}) and (choice + len(name)) % 4:
            case.query[name] = known[choice % len(known)]
    with requests.Session() as session:
        response = case.call_and_validate(
            base_url=server,
            session=session,
            headers={"Authorization": f"token {TOKEN}"},
            checks=[not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance],
        )
    SEEN.setdefault(case.path.rpartition("/")[2], set()).add(response.status_code)


def test_the_fuzz_sees_answers_and_refusals() -> None:
    """Or it would prove nothing."""
    assert {name for name, seen in SEEN.items() if 200 not in seen} == set()
    assert {
        name for name, seen in SEEN.items() if name not in SERVICE and not seen & {400, 403, 404, 415, 422}
    } == set()
