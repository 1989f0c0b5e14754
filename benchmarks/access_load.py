"""Many people's rights asked for again each minute, and how long the hub's answers take meanwhile.

The people log in as people do, at the embedded login service; the user office is an SQLite database in VISA's shape. A process of
its own asks the hub for pages and API answers at a steady pace, first while nobody but the askers is logged in, then with all.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.access_stack import Stack
from benchmarks.hubs import ROOT, Session
from benchmarks.report import Row, row

TARGET_MS = 100.0
TARGET_INTERVAL = 60.0
ASKERS, LOG_IN_THREADS = 4, 4
SOURCES = """
[[sources]]
type = "sql"
name = "User office"
facility = "esrf"
database = {{ url = "sqlite:///{file}" }}
columns = {{ "experiment_user.role" = "", "instrument_scientist.role" = "", "proposal.public_at" = "" }}
"""
TABLES = """
create table users (id text primary key, key text);
create table proposal (id integer primary key, identifier text, title text);
create table instrument (id integer primary key, name text);
create table experiment (id integer primary key, proposal_id integer, instrument_id integer, start_date text, end_date text);
create table experiment_user (experiment_id integer, user_id text);
create table instrument_scientist (instrument_id integer, user_id text);
create index of_user on experiment_user (user_id);
create index of_scientist on instrument_scientist (user_id);
"""


def measure(folder: Path, persons: int, grants: int, seconds: int) -> list[Row]:
    """Answers without and with everybody logged in."""
    people = ["olga", *(f"person{number}" for number in range(persons))]
    database = folder / "office.sqlite"
    folder.mkdir(parents=True, exist_ok=True)
    stack = Stack(
        folder / "hub",
        people=people,
        sources=SOURCES.format(file=database),
        config=os.environ.get("PANOSC_BENCHMARK_CONFIG", ""),
    )
    _fill(database, [stack.identity(person) for person in people], grants)
    try:
        stack.start()
        askers = [_cookies(stack, person) for person in people[1 : ASKERS + 1]]
        _ask(stack, askers, 5)  # a warm-up
        alone = _ask(stack, askers, min(seconds, 30))
        began = time.monotonic()
        _log_everybody_in(stack, people[ASKERS + 1 :])
        logging_in = time.monotonic() - began
        print(f"{persons} people logged in within {logging_in:.0f} s", file=sys.stderr, flush=True)
        time.sleep(5)
        before = _counted(stack)
        answers = _ask(stack, askers, seconds)
        after = _counted(stack)
    finally:
        stack.stop()
    return _rows(alone, answers, before, after, persons, grants)


def _rows(
    alone: list[float],
    answers: list[float],
    before: dict[str, float],
    after: dict[str, float],
    persons: int,
    grants: int,
) -> list[Row]:
    took = after["at"] - before["at"]
    asked = after["answers"] - before["answers"]
    renewed = after["renewals"] - before["renewals"]
    rounds = after["rounds"] - before["rounds"]
    words = f"{persons} people x {grants} rights, n = {len(answers)}"
    quiet = f"nobody else logged in: {_percentile(alone, 0.99):.0f} ms"
    return [
        row("hub's answers p50", statistics.median(answers), "ms", peer=words),
        row("hub's answers p99", _percentile(answers, 0.99), "ms", peer=quiet, target=TARGET_MS),
        row("hub's answers, slowest", max(answers), "ms"),
        row("a person's rights are asked for every", persons * took / max(asked, 1), "s", target=TARGET_INTERVAL),
        row("a person's login is refreshed every", persons * took / max(renewed, 1), "s"),
        row("watcher's round", (after["round seconds"] - before["round seconds"]) / max(rounds, 1), "s"),
        row("CPU of the hub", (after["cpu"] - before["cpu"]) / took, "cores"),
        row("memory of the hub", after["memory"], "MB"),
    ]


def _percentile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def _fill(file: Path, identities: Sequence[str], grants: int) -> None:
    """A user office in which everybody is on ``grants`` proposals."""
    number = max(2 * grants, 1000)
    with sqlite3.connect(file) as connection:
        connection.executescript(TABLES)
        connection.executemany("insert into users values (?, ?)", ((each, each) for each in identities))
        connection.executemany("insert into instrument values (?, ?)", ((n, f"ID{n:02d}") for n in range(1, 31)))
        connection.executemany(
            "insert into proposal values (?, ?, ?)",
            ((n, f"ma{n + 1000}", f"How number {n} behaves under load") for n in range(1, number + 1)),
        )
        connection.executemany(
            "insert into experiment values (?, ?, ?, ?, ?)",
            ((n, n, n % 30 + 1, "2026-03-04 08:00:00", "2026-03-08 08:00:00") for n in range(1, number + 1)),
        )
        connection.executemany(
            "insert into experiment_user values (?, ?)",
            (
                ((at * 7 + step) % number + 1, identity)
                for at, identity in enumerate(identities)
                for step in range(grants)
            ),
        )
    connection.close()


def _cookies(stack: Stack, person: str) -> dict[str, object]:
    session = Session(stack.url, person)
    found = {"user": session.user, "cookies": {cookie.name: cookie.value for cookie in session.http.cookies.jar}}
    session.close()
    return found


def _log_everybody_in(stack: Stack, people: Sequence[str]) -> None:
    waiting = list(people)
    problems: list[BaseException] = []

    def work() -> None:
        try:
            while waiting and not problems:
                Session(stack.url, waiting.pop()).close()
        except (BaseException, IndexError) as error:
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(LOG_IN_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise SystemExit(f"logging in did not work: {problems[0]}")


def _ask(stack: Stack, askers: list[dict[str, object]], seconds: float) -> list[float]:
    """Milliseconds of answers, asked by a process of its own."""
    asked = {"url": stack.url, "askers": askers, "seconds": seconds}
    command = [sys.executable, "-m", "benchmarks.access_asker"]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"asking the hub did not work:\n{done.stderr[-2000:]}")
    return [float(value) for value in json.loads(done.stdout)]


def _counted(stack: Stack) -> dict[str, float]:
    """What the hub has counted so far, and what it has used."""
    assert stack.hub.process
    text = stack.metrics()
    pid = stack.hub.process.pid
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    memory = re.search(r"VmRSS:\s+(\d+) kB", status)
    return {
        "at": time.monotonic(),
        "cpu": (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        "memory": int(memory.group(1)) / 1024 if memory else 0.0,
        "answers": _sum(text, "panosc_source_answers_total", 'outcome="answer"'),
        "renewals": _sum(text, "panosc_login_renewals_total"),
        "rounds": _sum(text, "panosc_watch_seconds_count"),
        "round seconds": _sum(text, "panosc_watch_seconds_sum"),
    }


def _sum(text: str, name: str, label: str = "") -> float:
    found = re.findall(rf"^{name}(\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
    return sum(float(value) for labels, value in found if label in labels)
