"""The hub follows what changes in the book of people, whoever changed it and when."""

import asyncio

import pytest
from people_support import ADA, ADA_ELSEWHERE, BEA

from panosc_spawner.errors import PeopleError
from panosc_spawner.identity import link_follower
from panosc_spawner.identity.context import LoginContext
from panosc_spawner.identity.link_follower import LinkFollower
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.renewal import Ending

WHY = {"by": "root", "reason": "r"}


@pytest.fixture
def book(tmp_path):
    store = PeopleStore(tmp_path / "people.sqlite")
    yield store
    store.close()


@pytest.fixture
def ended():
    return []


@pytest.fixture
def follower(book, ended):
    async def note(username, ending, words):
        ended.append((username, ending))

    return LinkFollower(book, note)


async def test_whoever_loses_a_login_is_logged_out_once(book, follower, ended):
    name, other = book.admit(ADA), book.admit(ADA_ELSEWHERE)
    await follower.catch_up()
    assert ended == []
    book.link(name, ADA_ELSEWHERE, proof="p", leaving=other, **WHY)
    await follower.catch_up()
    assert ended == [(other, Ending.UNLINKED)]
    book.unlink(name, ADA_ELSEWHERE, proof="p", **WHY)
    book.remove(BEA, **WHY)  # of whom nobody has heard
    await follower.catch_up()
    await follower.catch_up()
    assert ended[1:] == [(name, Ending.UNLINKED)]
    book.remove(ADA, **WHY)
    await follower.catch_up()
    assert ended[2:] == [(name, Ending.NOT_ALLOWED)]
    assert all(ending.ends_servers for _, ending in ended)


async def test_what_happened_while_the_hub_was_down_is_followed_then_and_by_nobody_twice(book, tmp_path, ended):
    name = book.admit(ADA)
    book.link(name, ADA_ELSEWHERE, proof="p", **WHY)
    book.unlink(name, ADA_ELSEWHERE, proof="p", **WHY)

    async def killed(*_):
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await LinkFollower(book, killed).catch_up()
    again = PeopleStore(tmp_path / "people.sqlite")

    async def note(username, ending, words):
        ended.append(username)

    await LinkFollower(again, note).catch_up()
    await LinkFollower(again, note).catch_up()
    assert ended == [name]
    again.close()


async def test_trouble_with_one_account_keeps_no_other_login_alive(book, ended, caplog):
    first, second = book.admit(ADA), book.admit(BEA)
    book.remove(ADA, **WHY)
    book.remove(BEA, **WHY)

    async def fails_once(username, ending, words):
        ended.append(username)
        if username == first:
            raise OSError("no")

    await LinkFollower(book, fails_once).catch_up()
    assert ended == [first, second]
    assert "could not be ended" in caplog.text


async def test_the_other_process_is_noticed(book, tmp_path, ended, monkeypatch):
    monkeypatch.setattr(link_follower, "EVERY_SECONDS", 0.02)
    name = book.admit(ADA)
    context = LoginContext(book)

    async def note(username, ending, words):
        ended.append(username)

    context.ended_hooks.append(note)
    (start,) = context.on_start
    start(None)
    other = PeopleStore(tmp_path / "people.sqlite")
    other.remove(ADA, **WHY)
    async with asyncio.timeout(5):
        while not ended:
            await asyncio.sleep(0.01)
    context.links.stop()
    assert ended == [name]
    other.close()


async def test_a_book_that_cannot_be_read_is_told_in_the_log_and_looked_at_again(
    book, follower, ended, caplog, monkeypatch
):
    name = book.admit(ADA)
    book.remove(ADA, **WHY)
    with monkeypatch.context() as broken:
        broken.setattr(book, "unheard", lambda: (_ for _ in ()).throw(PeopleError("disk full")))
        await follower._look()
    assert "disk full" in caplog.text
    await follower._look()
    assert ended == [(name, Ending.NOT_ALLOWED)]


async def test_many_changes_at_once_are_all_followed(book, follower, ended, monkeypatch):
    name = book.admit(ADA)
    for _ in range(3):
        book.link(name, BEA, proof="p", **WHY)
        book.unlink(name, BEA, proof="p", **WHY)
    whole = book.history
    monkeypatch.setattr(book, "history", lambda **of: whole(**{**of, "limit": 2}))
    await follower.catch_up()
    assert len(ended) == 3
    assert book.unheard() == []
