"""The demo's site and its orchestrator, without starting it."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from demo_support import ROOT, demo, demo_process, demo_providers, demo_site, provider
from provider_state import Provider

from panosc_spawner import cli
from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.model import Role
from panosc_spawner.identity.person import Person
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.spawners.local_process import Process

PORTS = demo_site.Ports(8000, 8101, 8102, 8103, 8104, 8105, 8106, 8107)
NOW = datetime(2026, 3, 4, 9, 30, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture
def folders(tmp_path: Path) -> demo_site.Folders:
    return demo_site.Folders(tmp_path / ".demo", "local")


def person(name: str) -> Person:
    who = demo_site.personas()[name]
    return Person(
        issuer=f"http://127.0.0.1:{PORTS.provider}",
        subject=str(who["id"]),
        username=f"p-{name}",
        display_name=name,
        community="demo",
        seen_at=datetime.now(UTC),
        entitlements=tuple(who["claims"]["eduperson_entitlement"]),  # type: ignore[index]
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ada", {"esrf/ma1234": Role.MEMBER, "ill/8-04-923": Role.MEMBER}),
        (
            "marie",
            dict.fromkeys(
                ("esrf/ma1234", "esrf/hc4711", "esrf/sc5678", "ill/8-04-923", "euxfel/p002145", "demo/demo-001"),
                Role.PI,
            ),
        ),
        ("lars", {"esrf/ma1234": Role.LOCAL_CONTACT, "esrf/hc4711": Role.LOCAL_CONTACT}),
        ("tom", {"demo/demo-002": Role.PI}),
        ("emil", {"esrf/sc5678": Role.MEMBER}),
        ("olga", {}),
        ("noor", {}),
    ],
)
async def test_who_may_see_what(folders: demo_site.Folders, name: str, expected: dict[str, Role]):
    site = load_site(demo_site.write_site(folders, PORTS, NOW))
    report = await GrantBook(site).report(person(name))
    assert not [outcome.error for outcome in report.outcomes if outcome.error]
    assert {str(grant.ref): grant.role for grant in report.grants} == expected


async def test_emils_access_ends_today(folders: demo_site.Folders):
    site = load_site(demo_site.write_site(folders, PORTS, NOW))
    [grant] = (await GrantBook(site).report(person("emil"))).grants
    assert grant.ends_at == datetime(2026, 3, 4, 22, 59, tzinfo=UTC)


@pytest.mark.parametrize("spawner", ["local", "docker"])
def test_the_site_is_on_loopback_and_marked_as_a_demo(tmp_path: Path, spawner: str):
    folders = demo_site.Folders(tmp_path, spawner)
    hub = load_site(demo_site.write_site(folders, PORTS, NOW)).config.hub
    assert hub.demo and hub.spawner == spawner
    assert hub.bind_url == hub.public_url == "http://127.0.0.1:8000"
    assert hub.state_dir.is_relative_to(tmp_path)


def test_everybody_has_a_home_and_an_account_of_their_own(folders: demo_site.Folders):
    site = load_site(demo_site.write_site(folders, PORTS, NOW)).config
    assert site.account and site.account.kind == "table"
    assert len({row.uid for row in site.account.people.values()}) == len(demo_site.personas())
    assert "{account}" in site.home.source


def test_the_client_secret_is_made_once_and_is_the_hubs_alone(folders: demo_site.Folders):
    demo_site.ensure_secret(folders.client_secret)
    first = folders.client_secret.read_text()
    demo_site.ensure_secret(folders.client_secret)
    assert folders.client_secret.read_text() == first and len(first) == 64
    assert stat.S_IMODE(folders.client_secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(folders.client_secret.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("text", ["0.0.0.0:8000", "*", "", "80", "99999", "٨٠٠٠", "8000 "])
def test_anything_but_a_port_is_refused(text: str):
    with pytest.raises(demo.DemoError, match=r"127\.0\.0\.1 only"):
        demo.public_port(text)


def test_a_taken_port_is_said_and_another_suggested(folders: demo_site.Folders, monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        monkeypatch.setenv("PANOSC_DEMO_PORT", str(port))
        with pytest.raises(demo.DemoError, match=f"Port {port} is taken"):
            demo.choose_ports(folders)


def test_the_other_ports_stay_the_same(folders: demo_site.Folders, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PANOSC_DEMO_PORT", str(demo.free_port(set())))
    first = demo.choose_ports(folders)
    assert demo.choose_ports(folders) == first
    assert len({first.public, first.provider, first.hub, first.proxy_api, first.university}) == 5


def test_a_second_demo_is_pointed_to_the_first(folders: demo_site.Folders):
    folders.demo.mkdir()
    second = demo.Demo(folders)
    second.run.write({"demo": Process.now(os.getpid())}, 8123)
    with pytest.raises(demo.DemoError, match=r"http://127\.0\.0\.1:8123/"):
        second.serve()


def test_what_a_crashed_demo_left_is_stopped_and_nobody_else(folders: demo_site.Folders):
    folders.demo.mkdir()
    run = demo.Demo(folders)
    with subprocess.Popen(["sleep", "60"]) as left, subprocess.Popen(["sleep", "60"]) as bystander:
        run.run.write({"hub": Process.now(left.pid), "provider": Process(bystander.pid, "before:1")}, 8123)
        run._refuse_second()
        assert left.wait(5) == -signal.SIGTERM
        assert bystander.poll() is None
        bystander.kill()


def test_what_does_not_listen_to_reason_is_killed_with_its_children(tmp_path: Path):
    service = demo_process.Service("mule", tmp_path / "mule.log")
    code = (
        "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen(['sleep', '60'], start_new_session=True); print(child.pid, flush=True); time.sleep(60)"
    )
    service.start([sys.executable, "-c", code], os.environ, tmp_path)
    while not (said := service.log.read_text()).endswith("\n"):
        assert not service.ended()
    child = Process.now(int(said))
    assert service.process and child
    demo_process.stop([service.process], 0.2)
    assert not service.process.alive() and not child.alive()
    service.reap()


def test_a_part_that_dies_is_told_with_its_log(tmp_path: Path):
    service = demo_process.Service("hub", tmp_path / "hub.log")
    (tmp_path / "hub.log").write_text("of yesterday\n")
    service.start([sys.executable, "-c", "print('no such site'); raise SystemExit(4)"], os.environ, tmp_path)
    service.reap()
    for _ in range(200):
        if ended := service.ended():
            break
        service.reap()
    assert "exit code 4" in ended and "no such site" in ended and "yesterday" not in ended


def test_the_welcome_says_who_to_be(folders: demo_site.Folders):
    text = demo.welcome(PORTS, folders)
    for persona in demo_site.personas().values():
        assert str(persona["sentence"]) in text
    assert "http://127.0.0.1:8000/" in text


def test_the_welcome_names_files_and_commands_that_there_are(folders: demo_site.Folders):
    demo_site.write_site(folders, PORTS, NOW)
    first, second = demo_providers.login_services(folders, PORTS)
    text = demo.welcome(PORTS, folders)
    for path in (folders.site / "proposals.toml", folders.personas):
        assert path.is_file() and str(path) in text
    for script in re.findall(r"deploy/\S+\.py", text):
        assert (ROOT / script).is_file()
    commands = re.findall(r"panosc-hub (\w+)", text)
    assert set(commands) == {"audit", "explain"}
    for command in commands:
        with pytest.raises(SystemExit) as help_shown:
            cli.main([command, "--help"])
        assert help_shown.value.code == 0
    assert first.issuer != second.issuer


def test_both_login_services_start_with_people_of_their_own(folders: demo_site.Folders):
    services = demo_providers.login_services(folders, PORTS)
    people = []
    for service in services:
        options = provider.parse_options([str(word) for word in service.command[2:]])
        people.append({person["id"] for person in Provider(options).personas().values()})
        assert options.issuer == service.issuer
    assert people[0] and people[1] and not people[0] & people[1]
    logins = load_site(demo_site.write_site(folders, PORTS, NOW)).logins
    assert [login.issuer for login in logins] == [service.issuer for service in services]


def test_suspending_somebody_changes_no_file_of_the_repository(folders: demo_site.Folders):
    demo_providers.login_services(folders, PORTS)
    assert not folders.personas.is_symlink() and not folders.personas.samefile(demo_site.PERSONAS)


def test_a_setting_can_be_tried_out(
    folders: demo_site.Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert demo.more_of_site() == ""
    more = tmp_path / "more.toml"
    monkeypatch.setenv("PANOSC_DEMO_SITE_MORE", str(more))
    with pytest.raises(demo.DemoError, match="PANOSC_DEMO_SITE_MORE"):
        demo.more_of_site()
    more.write_text('[tokens.archive]\naudience = "demo-catalogue"\nfacilities = ["esrf"]\n')
    site = load_site(demo_site.write_site(folders, PORTS, NOW, demo.more_of_site()))
    assert site.config.tokens["archive"].audience == "demo-catalogue"
