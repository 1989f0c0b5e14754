"""What ``panosc-hub check`` says of the audit log."""

from __future__ import annotations

from pathlib import Path

import pytest
from explain_support import Words

from panosc_spawner.audit import FILE, AuditLog, Event
from panosc_spawner.check.audit import check_audit
from panosc_spawner.check.finding import Finding, Level
from panosc_spawner.facilities.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Words(tmp_path).site()


def found(site: Site) -> Finding:
    (finding,) = check_audit(site)
    return finding


def test_before_the_first_line_and_after(site: Site) -> None:
    assert "made with the first line" in found(site).message
    AuditLog(site.config.hub.state_dir / FILE).record(Event.LOGIN)
    assert found(site).level is Level.OK
    assert "may grow to 1 GB" in found(site).message


@pytest.mark.parametrize("name", [FILE, f"{FILE}.lock"])
@pytest.mark.parametrize("kind", ["link", "directory"])
def test_what_the_hub_would_refuse_to_write(site: Site, name: str, kind: str) -> None:
    path = site.config.hub.state_dir / name
    if kind == "link":
        path.symlink_to("/dev/null")
    else:
        path.mkdir()
    assert found(site).level is Level.ERROR
    assert str(path) in found(site).message


def test_too_little_room(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    AuditLog(site.config.hub.state_dir / FILE).record(Event.LOGIN)
    usage = type("Usage", (), {"free": 10 * 1024**2})
    monkeypatch.setattr("panosc_spawner.check.audit.shutil.disk_usage", lambda _: usage)
    assert found(site).level is Level.WARNING
    assert "there are 10 MB left" in found(site).message
