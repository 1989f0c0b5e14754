"""Groups of the machine, through glibc's real NSS with files and libnss-extrausers, in a sandbox with its own /etc."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PASSWD = """root:x:0:0:root:/root:/bin/sh
ada:x:20001:20000:Ada:/home/ada:/bin/sh
ben:x:20002:20000:Ben:/home/ben:/bin/sh
eve:x:20003:20000:Eve:/home/eve:/bin/sh
lost:x:20004:39999:Lost:/home/lost:/bin/sh
"""
GROUP = """root:x:0:
users:x:20000:
ess_proposal_616254:x:30001:ada,ben
ess_proposal_616255:x:30002:ada
ess_proposal_0616256:x:30003:eve
ESS_proposal_616257:x:30004:eve
loki_staff:x:30005:ben
"""
OFFICE = "facility,proposal,title,instrument,person,role\ness,616254,Gels,LOKI,,\ness,616300,Foam,loki,,\ness,616301,Spin,DREAM,,\n"
KEYS = {
    "groups": [{"group": "ess_proposal_{proposal}"}, {"group": "{instrument}_staff", "role": "local-contact"}],
    "instruments_from": "office",
}
BY_CLAIM = {"kind": "nss", "claim": "account"}


@pytest.fixture
def ask(tmp_path: Path):
    """Ask the source about accounts, on a machine whose accounts and groups are these files."""
    assert shutil.which("bwrap"), "bubblewrap is not installed"
    (tmp_path / "office.csv").write_text(OFFICE)

    def ask(*subjects, passwd=PASSWD, group=GROUP, nss="files", extra="", account=BY_CLAIM, keys=KEYS, getent=""):
        etc = tmp_path / "etc"
        etc.mkdir(exist_ok=True)
        (etc / "passwd").write_text(passwd)
        (etc / "group").write_text(group)
        (etc / "nsswitch.conf").write_text(f"passwd: {nss}\ngroup: {nss}\n")
        extrausers = tmp_path / "extrausers"
        extrausers.mkdir(exist_ok=True)
        (extrausers / "group").write_text(extra)
        (extrausers / "passwd").write_text("")
        (extrausers / "shadow").write_text("")
        binds = [
            part
            for name in ("passwd", "group", "nsswitch.conf")
            for part in ("--ro-bind", str(etc / name), f"/etc/{name}")
        ]
        binds += ["--ro-bind", str(extrausers), "/var/lib/extrausers"]
        if getent:
            fake = tmp_path / "getent"
            fake.write_text(f"#!/bin/sh\n{getent}\n")
            fake.chmod(0o755)
            binds += ["--ro-bind", str(fake), "/usr/bin/getent"]
        asked = {"folder": str(tmp_path), "subjects": subjects, "keys": keys, "account": account}
        done = subprocess.run(
            ["bwrap", "--die-with-parent", "--dev-bind", "/", "/", *binds, "--", sys.executable, str(Path(__file__).with_name("nss_ask.py")), json.dumps(asked)],
            capture_output=True, text=True, timeout=60, cwd=ROOT, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


def test_the_groups_of_an_account(ask) -> None:
    answers = ask("ada", "ben", "eve", "nobody-here", "root", "../ada", "ada;id", "-ada", "")
    assert answers.pop("ada") == [
        ["616254", "member", "you are in the group ess_proposal_616254", []],
        ["616255", "member", "you are in the group ess_proposal_616255", []],
    ]
    assert answers.pop("ben") == [
        ["616254", "local-contact", "you are in the group loki_staff", ["LOKI"]],
        ["616254", "member", "you are in the group ess_proposal_616254", []],
        ["616300", "local-contact", "you are in the group loki_staff", ["loki"]],
    ]
    assert (
        answers.pop("check") == "7 groups are listed, 3 of them of proposals or instruments (a directory may list none)"
    )
    # Eve's groups only look like those of a proposal: leading zero, other case.
    assert set(map(str, answers.values())) == {"[]"}


def test_a_group_without_a_name_is_no_answer(ask) -> None:
    """The directory that has its name may be down: to say "no proposals" would end people's work."""
    answers = ask("lost", "ada", group=GROUP.replace("users:x:20000:\n", ""))
    assert answers["lost"] == "this system has no name for the group 39999 of your account"
    assert answers["ada"] == "this system has no name for the group 20000 of your account"


def test_groups_of_a_second_service(ask) -> None:
    """libnss-extrausers stands for sssd or libnss-ldapd: another module behind the same calls."""
    answers = ask("eve", nss="files extrausers", extra="ess_proposal_616400:x:31000:eve\n")
    assert [one[0] for one in answers["eve"]] == ["616400"]
    assert ask("eve", nss="files", extra="ess_proposal_616400:x:31000:eve\n")["eve"] == []


def test_an_account_from_a_table_has_its_groups(ask) -> None:
    table = {"kind": "table", "people": {"f00d@x": {"name": "ada", "uid": 20001, "gid": 20000, "gids": [30002]}}}
    assert [one[0] for one in ask("f00d@x", account=table)["f00d@x"]] == ["616255"]


@pytest.mark.parametrize(("getent", "words"), [("exit 1", "did not answer"), ("exit 3", "did not answer"), ("exec sleep 60", "did not answer"), ("kill -9 $$", "did not answer")])  # fmt: skip
def test_a_machine_that_does_not_answer(ask, getent: str, words: str) -> None:
    answers = ask("ada", getent=getent)
    assert words in answers["ada"]
    assert "failed" in answers["check"] or "cannot be looked up" in answers["check"]


def test_groups_alone_that_do_not_answer(ask) -> None:
    real = 'case "$1" in passwd) grep "^$3:" /etc/passwd;; *) exit 1;; esac'
    assert ask("ada", getent=real)["ada"] == "this system's groups cannot be looked up"
