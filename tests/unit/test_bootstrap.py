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
    monkeypatch.setattr(bootstrap, "_run", lambda *command, **options: listed)
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
        bootstrap._run(sys.executable, "-c", "print('this is why'); raise SystemExit(1)")


def test_it_needs_nothing_but_the_standard_library():
    code = "import sys, runpy; sys.argv=['bootstrap.py','nonsense']; runpy.run_path('deploy/bootstrap.py', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "usage" in done.stderr


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_locks_hold_hashes_and_no_addresses(lock: str):
    text = (ROOT / "deploy" / "demo" / lock).read_text()
    assert "://" not in text
    pins = re.findall(r"^\S+==\S+", text, re.MULTILINE)
    assert len(pins) > 100
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\S)", text) if "==" in entry.split("\n")[0])


def test_the_proxys_lock_holds_no_addresses():
    lock = json.loads((ROOT / "deploy" / "demo" / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


def test_the_slow_grammar_is_left_out():
    text = (ROOT / "deploy" / "demo" / "requirements.lock").read_text()
    assert re.search(r"^rfc3987-syntax==\S+ ; sys_platform == 'never'", text, re.MULTILINE)
