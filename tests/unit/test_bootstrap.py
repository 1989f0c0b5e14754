"""What `make demo` does before there is an environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from demo_support import ROOT, bootstrap

import lock as lock_files  # isort: skip


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bootstrap whose environment is in a directory of the test."""
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "BIN", tmp_path / ".venv" / "bin")
    monkeypatch.setattr(bootstrap, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(bootstrap, "_STAMP", tmp_path / ".venv" / "stamp.json")
    return tmp_path


def test_pips_settings_are_read_and_the_environment_wins():
    listed = (
        ":env:.cert='/env/ca.crt'\n:env:.default-timeout='180'\nglobal.cert='/etc/ca.crt'\n"
        "global.extra-index-url='https://a.example/simple https://b.example/simple'\n"
        "global.index-url='https://mirror.example/simple'\ninstall.find-links='/wheels'\nfreeze.timeout='1'\nnonsense\n"
    )
    assert bootstrap.pip_settings(listed) == {
        "cert": "/env/ca.crt",
        "default-timeout": "180",
        "extra-index-url": "https://a.example/simple https://b.example/simple",
        "index-url": "https://mirror.example/simple",
        "find-links": "/wheels",
    }


def test_uv_is_told_what_pip_is_told(monkeypatch: pytest.MonkeyPatch):
    listed = (
        "global.index-url='https://mirror.example/simple'\nglobal.find-links='/wheels\\n/more'\n"
        "global.extra-index-url='https://a.example/simple'\nglobal.cert='/etc/ca.crt'\nglobal.proxy='http://proxy:3128'\n"
    )
    monkeypatch.setattr(bootstrap, "run", lambda *command, **options: listed)
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "SSL_CERT_FILE", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    env = bootstrap.uv_environment()
    assert env["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert env["UV_INDEX"] == "https://a.example/simple"
    assert env["UV_FIND_LINKS"] == "/wheels,/more"
    assert env["SSL_CERT_FILE"] == "/etc/ca.crt"
    assert env["HTTPS_PROXY"] == "http://proxy:3128"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://own.example/simple")
    assert bootstrap.uv_environment()["UV_DEFAULT_INDEX"] == "https://own.example/simple"


def test_steps_run_once_and_again_after_a_change(elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    done: list[str] = []

    def steps(packages: str):
        bootstrap.BIN.mkdir(parents=True, exist_ok=True)
        bootstrap.PYTHON.touch()
        return [(packages, lambda: done.append(packages))]

    monkeypatch.setattr(bootstrap, "_steps", steps)
    bootstrap.ensure("demo")
    bootstrap.ensure("demo")
    assert done == ["demo"]
    bootstrap.ensure("dev")
    bootstrap.ensure("demo")  # an environment for the tests serves the demo too
    assert done == ["demo", "dev"]
    stamp = json.loads(bootstrap._STAMP.read_text())
    bootstrap._STAMP.write_text(json.dumps(stamp | {"files": "of yesterday"}))
    bootstrap.ensure("demo")
    assert done == ["demo", "dev", "dev"], "what the tests need stays when the locks change"


def test_an_interrupted_install_is_done_again(elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "_steps", lambda packages: [("packages", interrupted)])
    bootstrap.BIN.mkdir(parents=True)
    bootstrap.PYTHON.touch()
    assert bootstrap.main(["demo"]) == 130
    assert not bootstrap.is_current("demo")


def test_a_machine_without_venv_and_without_root_is_told_what_to_install(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(bootstrap, "_works", lambda python, code: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert bootstrap.main([]) == 1
    assert "apt-get install python3-venv" in capsys.readouterr().err


def test_a_command_that_fails_shows_its_last_lines():
    with pytest.raises(bootstrap.BootstrapError, match="this is why"):
        bootstrap.run(sys.executable, "-c", "print('this is why'); raise SystemExit(1)")


def test_it_needs_nothing_but_the_standard_library():
    command = [sys.executable, "-E", "-s", "-S", "deploy/bootstrap.py", "nonsense"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr


@pytest.mark.parametrize(
    ("lock", "packages"),
    [
        ("deploy/demo/requirements.lock", 100),
        ("deploy/demo/requirements-dev.lock", 100),
        ("tests/providers/satosa/requirements.lock", 20),
    ],
)
def test_locks_hold_hashes_and_no_addresses(lock: str, packages: int):
    text = (ROOT / lock).read_text()
    assert "://" not in text
    pins = re.findall(r"^\S+==\S+", text, re.MULTILINE)
    assert len(pins) > packages
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\S)", text) if "==" in entry.split("\n")[0])


@pytest.mark.parametrize("directory", ["deploy/demo", "extensions/hdf5", "tests/providers/panva"])
def test_npms_locks_hold_no_addresses(directory: str):
    lock = json.loads((ROOT / directory / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


def test_what_is_locked_is_looked_at_for_addresses(tmp_path: Path):
    names = {str(file.relative_to(ROOT)) for file in lock_files.all_locks()}
    assert names == {
        "deploy/demo/requirements.lock",
        "deploy/demo/requirements-dev.lock",
        "deploy/demo/package-lock.json",
        "tests/providers/satosa/requirements.lock",
        "tests/providers/panva/package-lock.json",
    }
    lock_files.refuse_addresses(lock_files.all_locks())
    python, node = tmp_path / "requirements.lock", tmp_path / "package-lock.json"
    python.write_text("--index-url https://mirror.example/simple\nattrs==26.1.0\n")
    node.write_text('{\n"resolved": "https://mirror.example/a.tgz"}\n')
    with pytest.raises(bootstrap.BootstrapError, match=r"requirements\.lock, line 1 holds an address"):
        lock_files.refuse_addresses([python])
    with pytest.raises(bootstrap.BootstrapError, match=r"package-lock\.json, line 2 holds an address"):
        lock_files.refuse_addresses([node])


def test_the_viewer_is_built_again_when_a_source_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    extension = bootstrap.hdf5_extension
    source = tmp_path / "hdf5"
    built = source / "panosc_hdf5" / "labextension"
    for name in extension._FRONT_END:
        (source / name).mkdir(parents=True)
    for name in extension._FILES:
        (source / name).touch()
    monkeypatch.setattr(extension, "SOURCE", source)
    monkeypatch.setattr(extension, "BUILT", built)
    monkeypatch.setattr(extension, "_STAMP", built.parent / "stamp")
    commands: list[str] = []

    def run(*command: str, **_: object) -> str:
        commands.append(" ".join(command[:3]))
        built.mkdir(parents=True, exist_ok=True)
        (built / "package.json").touch()
        (source / "node_modules").mkdir(exist_ok=True)
        return ""

    monkeypatch.setattr(extension, "run", run)
    extension.build({})
    extension.build({})
    assert commands == ["npm ci --ignore-scripts", "npm run build:prod"]
    (source / "src" / "new.ts").touch()
    extension.build({})
    assert commands[2:] == ["npm run build:prod"]


def test_the_slow_grammar_is_left_out():
    text = (ROOT / "deploy" / "demo" / "requirements.lock").read_text()
    assert re.search(r"^rfc3987-syntax==\S+ ; sys_platform == 'never'", text, re.MULTILINE)
