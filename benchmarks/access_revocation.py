"""From a right taken away at its source to data that cannot be read any more in a running server.

Several people work at a time, each in a server with two proposals. Inside each server (the container, or the sandbox of a local
process) a loop reads a raw file of both and writes down when it could. Then one of the two is taken from that person's list.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from benchmarks.access_stack import DAY, INSTRUMENT, Stack
from benchmarks.hubs import Session
from benchmarks.report import Row, row

TARGET_SECONDS = 60.0
WORKERS = 5
TAKEN, KEPT = "ma1001", "ma1002"
SERVER = "p-both"
READ_PAUSE = 0.05
LIMIT_SECONDS = 180.0


@dataclass
class Round:
    """One right taken away, in seconds since it was taken."""

    noticed: float  # the audit log says so
    unreadable: float  # the last time it could be read, plus the pause of the loop
    back: float  # the server answers again, with the other proposal

    def phases(self) -> dict[str, float]:
        """Where the time went."""
        return {
            "change to noticed": self.noticed,
            "noticed to unreadable": self.unreadable - self.noticed,
            "unreadable to at work again": self.back - self.unreadable,
        }


@dataclass
class Teams:
    """Who is on which proposal now; one file for everybody."""

    stack: Stack
    people: Sequence[str]
    without: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def set(self, person: str, *, has: bool) -> float:
        """Give or take the right; when that was done."""
        with self.lock:
            (self.without.discard if has else self.without.add)(person)
            self.stack.grant({TAKEN: [p for p in self.people if p not in self.without], KEPT: self.people})
            return time.time()


def measure(folder: Path, rounds: int, spawners: Sequence[str]) -> list[Row]:
    """Rows for each kind of server."""
    rows: list[Row] = []
    for spawner in spawners:
        found = _rounds(folder / spawner, spawner, rounds)
        words = f"{spawner}, n = {len(found)}, change at the source to unreadable"
        seconds = sorted(each.unreadable for each in found)
        rows.append(row(f"revocation p50, {spawner}", statistics.median(seconds), "s", peer=words))
        rows.append(row(f"revocation p95, {spawner}", _percentile(seconds, 0.95), "s", target=TARGET_SECONDS))
        rows.append(row(f"revocation slowest, {spawner}", seconds[-1], "s"))
        for phase in found[0].phases():
            values = sorted(each.phases()[phase] for each in found)
            rows.append(
                row(f"  {phase}", statistics.median(values), "s", peer=f"p95 {_percentile(values, 0.95):.1f} s")
            )
    return rows


def _percentile(values: Sequence[float], part: float) -> float:
    """The value that ``part`` of the sorted values do not exceed."""
    return values[min(len(values) - 1, int(part * len(values)))]


def _rounds(folder: Path, spawner: str, rounds: int) -> list[Round]:
    people = [f"person{number}" for number in range(WORKERS)]
    stack = Stack(folder, spawner, people=["olga", *people])
    stack.data(TAKEN, KEPT)
    teams = Teams(stack, people)
    teams.set(people[0], has=True)
    found: list[Round] = []
    problems: list[BaseException] = []

    def work(person: str, turns: int) -> None:
        try:
            session, admin = Session(stack.url, person), Session(stack.url, "olga")
            for _ in range(turns):
                found.append(_one(stack, teams, person, session, admin))
            session.close()
            admin.close()
        except BaseException as error:  # told by the main thread
            problems.append(error)

    try:
        stack.start()
        shares = [rounds // WORKERS + (at < rounds % WORKERS) for at in range(WORKERS)]
        threads = [threading.Thread(target=work, args=each) for each in zip(people, shares, strict=True) if each[1]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        stack.stop()
    if problems:
        raise SystemExit(f"{spawner}: {problems[0]}; the hub's log ends:\n{stack.hub.log.read_text()[-3000:]}")
    return found


def _one(stack: Stack, teams: Teams, person: str, session: Session, admin: Session) -> Round:
    teams.set(person, has=True)
    session.start(SERVER, {"proposals": [f"esrf/{TAKEN}", f"esrf/{KEPT}"]})
    log = stack.folder / f"{person}.read"
    with log.open("w") as out:
        reader = subprocess.Popen(_reader(stack, person, session, admin), stdout=out, stderr=subprocess.DEVNULL)
    try:
        time.sleep(random.uniform(1, 21))  # wherever in the watcher's round
        before = _last_read(log)
        taken_at = teams.set(person, has=False)
        if before < taken_at - 2:
            raise SystemExit(f"{person}: the file could not be read while it should be")
        back = _until_back(stack, session, taken_at)
        unreadable = _last_read(log) + READ_PAUSE
    finally:
        with suppress(ProcessLookupError):
            reader.kill()
        reader.wait()
    noticed = _noticed(stack, session.user, taken_at)
    session.stop(SERVER)
    return Round(noticed - taken_at, unreadable - taken_at, back - taken_at)


def _reader(stack: Stack, person: str, session: Session, admin: Session) -> list[str]:
    """The loop, inside the server: it ends with it."""
    file = f"/home/{person}/proposals/esrf/{TAKEN}/raw/{INSTRUMENT}-{DAY}/measured.txt"
    loop = f"while :; do cat {file} >/dev/null 2>&1 && date +%s.%N; sleep {READ_PAUSE}; done"
    if stack.spawner == "docker":
        labels = (f"label=org.panosc.hub={stack.hub_id}", f"label=org.panosc.person={session.user}")
        listed = ["docker", "ps", "-q", "--filter", labels[0], "--filter", labels[1]]
        container = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()[0]
        return ["docker", "exec", container, "sh", "-c", loop]
    inner = admin.server_state(session.user, SERVER)["inner"]
    assert isinstance(inner, dict)
    return [
        "nsenter",
        "--target",
        str(inner["pid"]),
        "--mount",
        "--pid",
        "--user",
        "--preserve-credentials",
        "sh",
        "-c",
        loop,
    ]


def _last_read(log: Path) -> float:
    lines = log.read_text().split()
    return float(lines[-1]) if lines else 0.0


def _until_back(stack: Stack, session: Session, since: float) -> float:
    """When the server answers again with the proposal that stays, and without the other."""
    url = f"{stack.url}/user/{session.user}/{SERVER}/files/proposals/esrf"
    deadline = time.time() + LIMIT_SECONDS
    while time.time() < deadline:
        with suppress(Exception):  # whatever a browser would see while a server is on its way
            taken = session.http.get(f"{url}/{TAKEN}/raw/{INSTRUMENT}-{DAY}/measured.txt")
            kept = session.http.get(f"{url}/{KEPT}/raw/{INSTRUMENT}-{DAY}/measured.txt")
            if kept.text.startswith(KEPT) and not taken.text.startswith(TAKEN):
                return time.time()
        time.sleep(0.1)
    raise SystemExit(f"{session.user}: no server without {TAKEN} within {time.time() - since:.0f} s")


def _noticed(stack: Stack, user: str, since: float) -> float:
    for line in stack.audit():
        at = datetime.fromisoformat(str(line["time"])).timestamp()
        if line["event"] == "grant-removed" and line.get("person") == user and at >= since - 0.001:
            return at
    raise SystemExit("the audit log does not say that the right was taken away")
