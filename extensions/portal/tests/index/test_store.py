"""The index's file: readers are not held up, damage is survived, and nothing is half written."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest
from index_graph import A, filled
from panosc_portal.catalogues.model import Dataset, Document
from panosc_portal.index.answer import Asker
from panosc_portal.index.language import read_filter
from panosc_portal.index.store import Busy, IndexFault, Store, TooSlow
from panosc_portal.index.write import Entry, put, remove, tidy

ALL = read_filter({}, "Dataset")


def test_readers_are_not_held_up_by_a_writer(tmp_path: Path) -> None:
    store = filled(tmp_path)
    with store.writing() as writer:
        writer.execute("UPDATE dataset SET title = 'changed'")
        begin = time.monotonic()
        titles = {one["title"] for one in Asker(store).find(ALL)}
        assert "changed" not in titles and time.monotonic() - begin < 5
    assert {one["title"] for one in Asker(store).find(ALL)} == {"changed"}
    store.close()


def test_what_fails_midway_is_not_written(tmp_path: Path) -> None:
    store = filled(tmp_path)
    with pytest.raises(ZeroDivisionError), store.writing() as writer:
        writer.execute("DELETE FROM dataset")
        raise ZeroDivisionError
    assert len(Asker(store).find(ALL)) == 5
    store.close()


def test_two_writers_take_turns(tmp_path: Path) -> None:
    store = filled(tmp_path)

    def add() -> None:
        for _ in range(20):
            with store.writing() as writer:
                (size,) = writer.execute("SELECT size FROM dataset WHERE pid = '10.5/one'").fetchone()
                writer.execute("UPDATE dataset SET size = ? WHERE pid = '10.5/one'", (size + 1,))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    (one,) = Asker(store).find(read_filter({"where": {"pid": "10.5/one"}}, "Dataset"))
    assert one["size"] == 180
    store.close()


@pytest.mark.parametrize("damage", ["garbage", "older version", "empty"])
def test_a_file_that_cannot_be_used_is_put_aside_and_made_anew(tmp_path: Path, damage: str) -> None:
    store = filled(tmp_path)
    store.close()
    if damage == "garbage":
        store.path.write_bytes(b"this is no database " * 500)
    elif damage == "empty":
        store.path.write_bytes(b"")
    else:
        made = sqlite3.connect(store.path)
        made.execute("PRAGMA user_version = 0")
        made.close()
    again = Store(store.path)
    assert Asker(again).find(ALL) == []
    assert store.path.with_name("index.sqlite.damaged").exists()
    assert again.path.stat().st_mode & 0o777 == 0o600
    again.close()


def test_damage_found_while_it_runs_is_told_and_made_good(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.optimise()
    content = bytearray(store.path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    with store.path.open("r+b") as file:
        file.write(content)
    with pytest.raises(IndexFault, match="damaged"):
        for _ in range(3):
            Asker(store).find(ALL)
            store._free.get_nowait().close()  # what it had read into memory is not looked at again
            store._made = 0
    assert Asker(store).find(ALL) == []
    with store.writing() as writer:
        writer.execute("INSERT INTO instrument VALUES (1, 'p', 'n', 'n', 'f', 'f')")
    store.close()


def test_a_question_may_take_so_long(tmp_path: Path) -> None:
    store = filled(tmp_path)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    begin = time.monotonic()
    with pytest.raises(TooSlow, match="condition"), store.reading(0.2) as reader:
        reader.execute(endless).fetchone()
    assert time.monotonic() - begin < 30
    assert Asker(store).find(ALL)
    store.close()


def test_more_questions_than_readers_wait_and_are_then_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panosc_portal.index.store._WAIT", 0.1)
    monkeypatch.setattr("panosc_portal.index.store.READERS", 1)
    store = filled(tmp_path)
    with store.reading(), pytest.raises(Busy, match="few seconds"), store.reading():
        pass
    with store.reading():
        pass
    store.close()


def test_readers_cannot_write(tmp_path: Path) -> None:
    store = filled(tmp_path)
    with pytest.raises(sqlite3.OperationalError), store.reading() as reader:
        reader.execute("DELETE FROM dataset")
    store.close()


def test_what_nobody_leads_to_any_more_is_removed_and_documents_close_with_their_last_public_data_set(
    tmp_path: Path,
) -> None:
    store = filled(tmp_path)
    with store.writing() as writer:
        writer.execute(
            "UPDATE dataset SET is_public = 0, proposal = ? WHERE pid IN ('10.5/two', '10.5/three', '10.5/six')", (A,)
        )
        rows = [row for (row,) in writer.execute("SELECT id FROM dataset WHERE pid IN ('10.5/one', '10.5/eight')")]
        assert remove(writer, rows) == 2
        tidy(writer)
    documents = read_filter({}, "Document")
    assert (
        Asker(store).find(documents) == [] and Asker(store).find(read_filter({"query": "proposal"}, "Document")) == []
    )
    seen = Asker(store, frozenset({A})).find(documents)
    assert {one["pid"] for one in seen} == {"10.5/doc-1", "10.5/doc-2", A}
    with store.reading() as reader:
        assert reader.execute("SELECT count(*) FROM sample WHERE pid LIKE '10.5/one#%'").fetchone() == (0,)
    store.close()


def test_directories_that_it_makes_are_its_own(tmp_path: Path) -> None:
    Store(tmp_path / "state" / "portal" / "index.sqlite").close()
    assert [(tmp_path / one).stat().st_mode & 0o777 for one in ("state", "state/portal")] == [0o700, 0o700]


def test_what_one_source_says_of_a_public_document_no_other_changes_while_the_first_tells_of_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "index.sqlite")

    def told(pid: str, origin: str, title: str, is_public: bool = True) -> int:
        dataset = Dataset(source=origin, pid=pid, title=pid, documents=(Document(pid="10.5/shared", title=title),))
        with store.writing() as writer:
            row = put(writer, Entry(dataset, is_public, A, origin), 1)
            tidy(writer)
        return row

    def title() -> str:
        (found,) = Asker(store).find(read_filter({}, "Document"))
        return str(found["title"])

    first = told("10.5/a", "ours", "As we say it")
    told("10.5/b", "theirs", "As they say it")
    assert title() == "As we say it"
    told("10.5/a", "ours", "As we say it now")
    assert title() == "As we say it now"
    with store.writing() as writer:
        remove(writer, [first])
        tidy(writer)
    told("10.5/b", "theirs", "As they say it")
    assert title() == "As they say it"
    store.close()
