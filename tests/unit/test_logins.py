"""The logins that there are: found by the provider's words for them, ended once, also after a restart of the hub."""

import stat
import time

import pytest

from panosc_spawner.errors import IdentityError
from panosc_spawner.identity.logins import KEPT, Logins, ProvenLogin
from panosc_spawner.identity.renewal import Ending

ISSUER = "https://i.example"


@pytest.fixture
def logins(tmp_path):
    logins = Logins(tmp_path / "logins.sqlite")
    yield logins
    logins.close()


def begin(logins, subject="x", sid="s1", username="p-x", issuer=ISSUER):
    login = ProvenLogin.begin(subject, sid, "n", "")
    logins.begin(login, issuer, username)
    return login


def test_logins_are_found_by_session_and_subject(logins):
    first, second = begin(logins), begin(logins, sid="s2")
    begin(logins, subject="y", sid="s3", username="p-y")
    begin(logins, issuer="https://other.example", username="p-z")
    assert [one.id for one in logins.find(ISSUER, "", "s1")] == [first.id]
    assert [one.id for one in logins.find(ISSUER, "x", "s2")] == [second.id]
    assert [(one.id, one.newest) for one in logins.find(ISSUER, "x", "")] == [(first.id, False), (second.id, True)]
    assert logins.find(ISSUER, "y", "s1") == []
    assert logins.find(ISSUER, "", "") == []
    assert logins.find(ISSUER, "%", "") == []


def test_a_login_ends_once(logins):
    login = begin(logins)
    assert logins.ended(login.id) is None
    assert logins.end(login.id, Ending.LOGGED_OUT)
    assert not logins.end(login.id, Ending.REFUSED)
    assert logins.ended(login.id) is Ending.LOGGED_OUT
    assert logins.find(ISSUER, "x", "s1") == []
    assert not logins.end("unknown", Ending.REFUSED)
    assert logins.ended("unknown") is None


def test_another_process_finds_what_was_written(logins, tmp_path):
    login = begin(logins)
    logins.end(login.id, Ending.LOGGED_OUT)
    logins.rotate(login.id, begins=True)
    again = Logins(tmp_path / "logins.sqlite")
    assert again.ended(login.id) is Ending.LOGGED_OUT
    assert 0 < again.rotating(login.id) < 10
    again.close()


def test_a_rotation_counts_from_its_first_try(logins):
    login = begin(logins)
    assert logins.rotating(login.id) == 0
    logins.rotate(login.id, begins=True)
    time.sleep(0.05)
    logins.rotate(login.id, begins=True)
    assert logins.rotating(login.id) >= 0.05
    logins.rotate(login.id, begins=False)
    assert logins.rotating(login.id) == 0


def test_old_logins_are_forgotten(logins, monkeypatch):
    old = begin(logins)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + KEPT.total_seconds() + 1)
    begin(logins, sid="s2")
    assert logins.find(ISSUER, "", "s1") == []
    assert logins.ended(old.id) is None


def state(login, rotation, person="p"):
    return {"login": login.to_state(), "rotation": rotation, "access_token": f"at{rotation}", "person": person}


def test_a_late_refresh_does_not_bring_spent_tokens_back(logins):
    login = begin(logins)
    late, stored = state(login, 1, "new"), state(login, 2, "old")
    assert logins.newer_state(late, stored) == {**stored, "person": "new"}
    assert logins.newer_state(stored, late) == stored
    assert logins.newer_state(late, state(login, 1)) == late
    for nothing in (None, {}, {"login": {}}, {"person": "x"}):
        assert logins.newer_state(late, nothing) == late


def test_a_late_refresh_does_not_replace_a_newer_login(logins):
    older = begin(logins)
    time.sleep(0.01)
    newer = begin(logins, sid="s2")
    assert logins.newer_state(state(older, 5), state(newer, 0)) == state(newer, 0)
    assert logins.newer_state(state(newer, 0), state(older, 5)) == state(newer, 0)


def test_a_late_refresh_does_not_bring_a_logout_back(logins):
    login = begin(logins)
    left = {"login": login.to_state(), "person": "p"}
    logins.end(login.id, Ending.NO_LOGIN)
    assert logins.newer_state(state(login, 1), left) == left


def test_the_file_is_the_hubs_alone(tmp_path):
    file = tmp_path / "logins.sqlite"
    Logins(file).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        Logins(tmp_path / "link")


def test_what_is_stored_with_the_tokens_is_read_back():
    login = ProvenLogin.begin("x", "s", "n", "mfa")
    assert ProvenLogin.from_state(login.to_state()) == login
    for state in ({}, {"id": ""}, login.to_state() | {"sid": 1}, login.to_state() | {"more": "x"}, {"id": "x"}):
        with pytest.raises(IdentityError, match="older version"):
            ProvenLogin.from_state(state)


def test_a_reported_session_that_the_id_token_did_not_name_is_found_by_its_subject(tmp_path):
    logins = Logins(tmp_path / "logins.sqlite")
    login = ProvenLogin.begin("x", "", "n", "")
    logins.begin(login, ISSUER, "p-ada")
    assert [one.id for one in logins.find(ISSUER, "x", "s1")] == [login.id]
    assert logins.find(ISSUER, "", "s1") == logins.find(ISSUER, "y", "s1") == []
    logins.close()
