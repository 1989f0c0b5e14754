"""``panosc-hub people``: what the people who run a hub look up and decide about logins."""

import json
import sqlite3

import pytest
from people_support import ADA, BEA

from panosc_spawner.cli import main
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.person import Identity

SITE = """
[hub]
id = "t"
facilities = ["demo"]
state_dir = "{state}"
[login]
community = "demo"
issuer = "https://login.example"
client_id = "hub"
[[login.also]]
community = "other"
client_id = "hub"
[account]
kind = "shared"
[home]
source = "/home/{{user}}"
[[sources]]
type = "file"
path = "proposals.toml"
"""
COMMUNITY = """
id = "{id}"
title = "{id}"
description = "x"
issuer = "https://{id}.example"
identity_claim = "{claim}"
"""
ELSEWHERE = Identity("https://other.example", "Ada-0f3a")


@pytest.fixture
def site(tmp_path):
    (tmp_path / "communities").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "site.toml").write_text(SITE.format(state=tmp_path / "state"))
    (tmp_path / "proposals.toml").write_text("proposal = []\n")
    for id, claim in (("demo", "voperson_id"), ("other", "sub")):
        (tmp_path / "communities" / f"{id}.toml").write_text(COMMUNITY.format(id=id, claim=claim))
    return tmp_path


@pytest.fixture
def book(site):
    store = PeopleStore(site / "state" / "people.sqlite")
    yield store
    store.close()


@pytest.fixture
def run(site, capsys):
    def run(what, *words):
        code = main(["people", what, str(site), *words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_before_the_hub_ever_ran_nothing_is_made(run, site):
    code, _, err = run("list")
    assert code == 1
    assert "the hub makes it when it first starts" in err
    assert not (site / "state" / "people.sqlite").exists()


def test_list_and_show_and_history(run, book):
    name = book.admit(ADA)
    book.link(name, ELSEWHERE, by="root", reason="asked", proof="seen")
    code, out, _ = run("list")
    assert code == 0
    assert out.count(name) == 2
    for who in (name, "ADA@Login.example", ELSEWHERE.subject):
        assert run("show", who)[:2] == (0, out), who
    lines = [json.loads(line) for line in run("show", name, "--json")[1].splitlines()]
    assert {line["identity"]["subject"] for line in lines} == {ADA.subject, ELSEWHERE.subject}
    assert "linked" in run("history", name)[1]
    assert [json.loads(line)["act"] for line in run("history", ELSEWHERE.subject, "--json")[1].splitlines()] == [
        "linked"
    ]
    for what in ("show", "history"):
        code, out, err = run(what, "nobody@login.example", "--community", "demo")
        assert (code, out) == (1, "")
        assert "nobody@login.example" in err


def test_an_identity_that_could_be_of_several_communities_must_be_named(run, book):
    name = book.admit(ADA)
    code, _, err = run("link", "new@login.example", "--to", name, "--reason", "r")
    assert code == 1
    assert "--community demo or other" in err
    assert run("link", "new@login.example", "--community", "demo", "--to", name, "--reason", "r")[0] == 0
    assert book.name_of(Identity("https://login.example", "new@login.example")) == name
    assert (
        "People do not log in here with 'third'"
        in run("link", "x@y", "--community", "third", "--to", name, "--reason", "r")[2]
    )
    assert "not of the form" in run("link", "x@y@z", "--community", "demo", "--to", name, "--reason", "r")[2]


@pytest.mark.parametrize(
    "words",
    [
        ("link", "x@y", "--to", "p-x"),
        ("link", "x@y", "--reason", "r"),
        ("unlink", "x@y"),
        ("remove", "x@y"),
        ("release", "x@y"),
    ],
)
def test_nothing_without_a_reason(run, book, words, capsys):
    with pytest.raises(SystemExit):
        run(*words)
    assert "required" in capsys.readouterr().err
    assert book.history() == []


def test_an_account_is_not_left_unawares_nor_while_its_servers_run(run, book, site):
    name, other = book.admit(ADA), book.admit(BEA)
    with sqlite3.connect(site / "state" / "hub.sqlite") as db:
        db.execute("CREATE TABLE users (id INTEGER, name TEXT)")
        db.execute("CREATE TABLE spawners (user_id INTEGER, server_id INTEGER)")
        db.execute("INSERT INTO users VALUES (1, ?)", (other,))
        db.execute("INSERT INTO spawners VALUES (1, 7), (1, NULL)")
    db.close()
    link = ("link", BEA.subject, "--to", name, "--reason", "ticket 1")
    code, _, err = run(*link)
    assert code == 1
    assert "has 1 server running. Nothing of that account is deleted" in err
    assert "Stop it first" in run(*link, "--leaving", other)[2]
    assert book.name_of(BEA) == other
    with sqlite3.connect(site / "state" / "hub.sqlite") as db:
        db.execute("UPDATE spawners SET server_id = NULL")
    db.close()
    code, out, _ = run(*link, "--leaving", other)
    assert code == 0
    assert f"logs in as {name}" in out
    assert "It does already" in run(*link)[1]
    assert book.history(identity=BEA)[-1].by.startswith("administrator ")
    assert f"logs in as {other} again" in run("unlink", BEA.subject, "--reason", "ticket 2")[1]


def test_a_database_of_the_hub_that_cannot_be_read_is_no_proof_that_nothing_runs(run, book, site):
    name, other = book.admit(ADA), book.admit(BEA)
    (site / "state" / "hub.sqlite").write_text("not a database, and longer than a header would be" * 10)
    code, _, err = run("link", BEA.subject, "--to", name, "--leaving", other, "--reason", "r")
    assert code == 1
    assert "it is not known whether" in err
    assert book.name_of(BEA) == other


def test_shut_out_and_let_in_again_with_who_and_why_in_the_audit_log(run, book, site, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "olga")
    name = book.admit(ADA)
    assert "belongs to nobody" in run("unlink", BEA.subject, "--community", "demo", "--reason", "r")[2]
    assert "only login" in run("unlink", ADA.subject, "--reason", "r")[2]
    assert f"The logins of {name} end" in run("remove", ADA.subject, "--reason", "left")[1]
    assert "already" in run("remove", ADA.subject, "--reason", "left")[2]
    assert run("release", ADA.subject, "--reason", "is back")[0] == 0
    lines = [json.loads(line) for line in (site / "state" / "audit.jsonl").read_text().splitlines()]
    assert [(line["event"], line["reason"]) for line in lines] == [("identity-unlinked", "left"), ("admin", "is back")]
    assert all(line["by"].startswith("administrator olga (as ") for line in lines)


def test_a_reason_that_would_write_on_the_terminal_is_refused(run, book):
    name = book.admit(ADA)
    code, _, err = run("link", "x@y", "--community", "demo", "--to", name, "--reason", "\x1b[2Jx")
    assert code == 1
    assert "one line" in err
    assert run("link", "x@y", "--community", "demo", "--to", "root", "--reason", "r")[0] == 1
