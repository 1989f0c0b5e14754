"""Environments in the home as kernels, whatever else lies there."""

from __future__ import annotations

import json
import os
import sys
import time
import venv
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from panosc_lab import kernels
from panosc_lab.kernels import own_kernels, own_spec

Fetch = Callable[..., Awaitable[Any]]
PYTHON = {
    "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "display_name": "Python 3",
    "language": "python",
}


def environment(home: Path, place: str, spec: object = PYTHON, kernel: str = "python3", python: bool = True) -> Path:
    """An environment with a kernel; its Python is this one."""
    made = home / place
    (made / "bin").mkdir(parents=True)
    if python:
        (made / "bin/python").symlink_to(sys.executable)
    folder = made / "share/jupyter/kernels" / kernel
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(spec if isinstance(spec, str) else json.dumps(spec))
    return made


@pytest.mark.parametrize("place", ["envs/mine", ".conda/envs/mine", "miniforge3/envs/mine", ".virtualenvs/mine"])
async def test_it_is_offered(home: Path, jp_fetch: Fetch, place: str) -> None:
    made = environment(home, place)
    found = json.loads((await jp_fetch("api", "kernelspecs")).body)["kernelspecs"]
    spec = found["own-mine-python3"]["spec"]
    assert spec["display_name"] == "Python 3 · mine"
    assert spec["argv"][0] == str(made / "bin/python")
    assert spec["env"]["PATH"].startswith(f"{made / 'bin'}:")
    assert "python3" in found, "Jupyter's own stay"


async def test_it_runs(home: Path, jp_fetch: Fetch, jp_serverapp: Any) -> None:
    """A real venv: what is installed in it is there, and its programs come first."""
    made = home / "envs/mine"
    venv.create(made, symlinks=True)
    site = next((made / "lib").iterdir()) / "site-packages"
    (site / "here.pth").write_text(next(path for path in sys.path if path.endswith("site-packages")))
    (site / "only_mine.py").write_text("x = 42")
    folder = made / "share/jupyter/kernels/python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(PYTHON))
    manager = jp_serverapp.kernel_manager
    kernel = await manager.start_kernel(kernel_name="own-mine-python3")
    client = manager.get_kernel(kernel).client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        said: list[str] = []
        code = "import sys, only_mine, shutil; print(sys.prefix, only_mine.x, shutil.which('python'))"
        await client._async_execute_interactive(
            code, timeout=60, output_hook=lambda message: said.append(message["content"].get("text", ""))
        )
        assert "".join(said).split() == [str(made), "42", str(made / "bin/python")]
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(kernel, now=True)


def test_each_kernel_of_an_environment(home: Path) -> None:
    made = environment(
        home, "envs/Mixed Tools", kernel="ir", spec=PYTHON | {"argv": ["R", "--slave"], "display_name": "R"}
    )
    (made / "bin/R").symlink_to(sys.executable)
    (made / "conda-meta").mkdir()
    found = own_kernels(home)
    assert list(found) == ["own-mixed-tools-ir"]
    spec = own_spec(found["own-mixed-tools-ir"])
    assert spec and (spec.display_name, spec.env["CONDA_PREFIX"]) == ("R · Mixed Tools", str(made))


def test_two_of_one_name(home: Path) -> None:
    environment(home, "envs/a"), environment(home, ".conda/envs/a")
    assert list(own_kernels(home)) == ["own-a-python3", "own-a-python3-2"]


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "{",
        "[]",
        "[" * 5000,
        '{"argv": []}',
        '{"argv": "python"}',
        '{"argv": [1, 2]}',
        '{"argv": ["py\\u0000thon"]}',
        json.dumps(PYTHON)[:-1] + ', "metadata": {"x": "\\ud800"}}',
        json.dumps(PYTHON)[:-1] + ', "metadata": {"\\udfff": 1}}',
        json.dumps(PYTHON)[:-1] + ', "metadata": {"x": NaN}}',
        json.dumps(PYTHON | {"argv": ["python", "\ud800"]}),
        '{"argv": ["/not/there"]}',
        '{"argv": ["no-such-program"]}',
        json.dumps(PYTHON)[:-1] + " " * 100_000 + "}",
    ],
)
def test_a_broken_one_is_left_out(home: Path, spec: str) -> None:
    environment(home, "envs/broken", spec)
    environment(home, "envs/good")
    assert list(own_kernels(home)) == ["own-good-python3"]


@pytest.mark.parametrize("broken", ["display_name", "env", "metadata", "language", "interrupt_mode"])
@pytest.mark.parametrize("value", [None, 7, [], {"a": 1}, "\x1b[31m" + "x" * 1000])
async def test_odd_words_hide_nothing(home: Path, jp_fetch: Fetch, broken: str, value: object) -> None:
    environment(home, "envs/odd", PYTHON | {broken: value})
    found = json.loads((await jp_fetch("api", "kernelspecs")).body)["kernelspecs"]
    assert len(found["own-odd-python3"]["spec"]["display_name"]) < 200
    assert "\x1b" not in json.dumps(found)
    assert "python3" in found


def test_its_python_is_gone(home: Path) -> None:
    made = environment(home, "envs/old", python=False)
    (made / "bin/python").symlink_to("/opt/python3.9/bin/python")
    assert own_kernels(home) == {}


def test_circles_pipes_and_files(home: Path) -> None:
    (home / "envs").mkdir()
    (home / "envs/self").symlink_to(home / "envs")
    (home / "envs/round").symlink_to(home / "envs/round")
    (home / "envs/file").write_text("x")
    os.mkfifo(home / "envs/pipe")
    piped = environment(home, "envs/piped")
    (piped / "share/jupyter/kernels/python3/kernel.json").unlink()
    os.mkfifo(piped / "share/jupyter/kernels/python3/kernel.json")
    environment(home, "envs/good")
    (home / ".conda").symlink_to(home / ".conda")
    (home / "miniforge3").write_text("x")
    begin = time.monotonic()
    assert list(own_kernels(home)) == ["own-good-python3"]
    assert time.monotonic() - begin < 10


def test_ten_thousand_entries(home: Path) -> None:
    for number in range(10_000):
        (home / f"envs/e{number:05}").mkdir(parents=True)
    environment(home, ".virtualenvs/good")
    begin = time.monotonic()
    assert list(own_kernels(home)) == ["own-good-python3"]
    assert time.monotonic() - begin < 10, "JupyterLab waits for this"


def test_too_many_kernels(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "MOST_KERNELS", 3)
    for number in range(5):
        environment(home, f"envs/e{number}")
    assert len(own_kernels(home)) == 3


async def test_a_name_that_leads_elsewhere(home: Path, jp_serverapp: Any) -> None:
    manager = jp_serverapp.kernel_spec_manager
    for name in ("own-../../etc", "own-nothing", "own-", "own-\0"):
        with pytest.raises((KeyError, ValueError, OSError)):
            manager.get_kernel_spec(name)
