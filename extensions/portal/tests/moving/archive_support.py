"""What the tests of archives share: a portal with an archive behind it, and the button."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from moving_places import person_data
from panosc_portal.hub import OwnProposal, PersonReport
from panosc_portal.moving.jobs import Job, State
from panosc_portal.moving.runner import runner_of
from running import Running, make_portal, make_site, running
from support import FakeHub

REF = "esrf/ma1234"
RULES = """
[[portal.archive.sites]]
name = "stfc"
title = "STFC archive"
facilities = ["esrf"]
url = "{url}"
directory = "{{facility}}/{{proposal}}"
read_back = "{read_back}"
timeout = "10s"
token = {{ by = "person", catalogue = "stfc" }}
[tokens.stfc]
audience = "archive"
facilities = ["esrf"]
"""


def own(role: str = "pi", ref: str = REF) -> OwnProposal:
    return OwnProposal(ref, "Ferrofluids", role, "User office list")


@asynccontextmanager
async def archive(
    folder: Path, area: Path, url: str, *, role: str = "pi", read_back: str = "bytes"
) -> AsyncIterator[Running]:
    """A portal, and somebody at it."""
    hub = FakeHub({"ada": PersonReport((own(role),)), "eve": PersonReport()})
    hub.directories[("ada", REF)] = person_data(area)
    hub.tokens[("ada", "stfc")] = "token-for-stfc"
    site = make_site(folder, RULES.format(url=url, read_back=read_back))
    async with running(make_portal(site, hub), hub, ("moving.archive_pages",)) as server:
        server.log_in()
        yield server


async def begin(at: Running) -> Job:
    """The button; the job that it began."""
    answer = await at.client.post(f"archive/{REF}", data={"_xsrf": at.xsrf, "archive": "stfc"})
    assert answer.status_code == 303, answer.text
    found = runner_of(at.portal).job(answer.headers["Location"].rpartition("/")[2], "ada")
    assert found is not None
    return found


async def end(at: Running, job: Job, seconds: float = 30) -> Job:
    """The job when it is over."""
    async with asyncio.timeout(seconds):
        while True:
            found = runner_of(at.portal).job(job.id)
            assert found is not None
            if found.state.over:
                return found
            await asyncio.sleep(0.02)


async def archived(at: Running) -> Job:
    """Archive, and see it done."""
    done = await end(at, await begin(at))
    assert done.state is State.DONE, done
    return done
