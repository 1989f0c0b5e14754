"""Data on tape: asked for, and waited for, by the WLCG Tape REST API (dCache, CTA, StoRM).

``POST archiveinfo {"paths": […]}`` tells where files are: DISK, TAPE, DISK_AND_TAPE, LOST, UNAVAILABLE, NONE. ``POST stage {"files":
[{"path": …, "diskLifetime": …}]}`` asks for them and gives a ``requestId``; ``GET stage/<id>`` tells how it goes; ``DELETE
stage/<id>`` gives it up. (WLCG Tape REST API v1, https://doi.org/10.5281/zenodo.8114756.)
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Any

import httpx

from panosc_portal.moving.dav import Bearer, StorageError, storage_said
from panosc_portal.moving.journal import Journal
from panosc_portal.moving.runner import TapeError, TryAgainError
from panosc_spawner.proposals.http.json_answer import NotAnAnswer, parse

BATCH = 1000
ASK_AGAIN = 60.0
"""Seconds after which a tape library is asked again."""
_MAX_ANSWER = 8 * 1024**2
_ON_DISK = {"DISK", "DISK_AND_TAPE"}
_KEPT = "P7D"


class Tape:
    """The tape interface of one storage.

    Args:
        title: of the storage, as people see it.
        url: of the interface, with its version.
        base: path of the storage's url, which all its paths begin with.
        bearer: gives the token.
        client: made by :func:`~panosc_portal.moving.dav.make_client`.
    """

    def __init__(self, title: str, url: str, base: str, bearer: Bearer, client: httpx.AsyncClient) -> None:
        self._title, self._url, self._base = title, url.rstrip("/"), base.rstrip("/")
        self._bearer, self._client = bearer, client

    async def ready(self, path: str, journal: Journal) -> None:
        """Return if all that is still to be copied is on disk; ask for what is not.

        Raises:
            TapeError: if it has to be waited for.
            JobError: if something is lost, or the storage does not answer.
        """
        waiting = 0
        for batch in _batched((f"{self._base}/{path}/{file.path}" for file in journal.to_copy()), BATCH):
            away = await self._away(batch)
            waiting += len(away)
            if away and journal.said(f"asked {away[0]}") != "yes":
                await self._ask_for(away, journal)
                journal.say(f"asked {away[0]}", "yes")
        if waiting:
            raise TapeError(
                f"{waiting:,} file{'s are' if waiting != 1 else ' is'} on tape at {self._title}, and asked for. It goes on by "
                "itself when they are on disk; that may take hours.",
                ASK_AGAIN,
            )

    async def give_up(self, journal: Journal) -> None:
        """Nobody needs the files any more."""
        for request in filter(None, journal.said("requests").split()):
            await self._send("DELETE", f"stage/{request}", None)
        journal.say("requests", "")

    async def _away(self, paths: list[str]) -> list[str]:
        answer = await self._send("POST", "archiveinfo", {"paths": paths})
        if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
            raise StorageError(f"{self._title} does not tell what is on tape.", "Tell the people who run this hub.")
        where = {str(one.get("path")): str(one.get("locality", "")) for one in answer}
        counted = Counter(where.get(path, "UNKNOWN") for path in paths)
        gone = sum(counted[word] for word in counted if word not in _ON_DISK | {"TAPE"})
        if gone:
            words = ", ".join(f"{number} {word.lower()}" for word, number in counted.items() if word not in _ON_DISK)
            raise StorageError(f"{self._title} cannot give {gone} of the files ({words[:200]}).", "Ask the facility.")
        return [path for path in paths if where[path] == "TAPE"]

    async def _ask_for(self, paths: list[str], journal: Journal) -> None:
        files = [{"path": path, "diskLifetime": _KEPT} for path in paths]
        answer = await self._send("POST", "stage", {"files": files})
        request = answer.get("requestId") if isinstance(answer, dict) else None
        if not isinstance(request, str) or not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", request, re.ASCII):
            raise StorageError(
                f"{self._title} did not take the wish for files on tape.", "Tell the people who run this hub."
            )
        journal.say("requests", f"{journal.said('requests')} {request}".strip())

    async def _send(self, method: str, path: str, body: Any) -> Any:
        token = await self._bearer()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        content = None if body is None else json.dumps(body).encode()
        try:
            async with self._client.stream(method, f"{self._url}/{path}", headers=headers, content=content) as answer:
                if answer.status_code not in {200, 201, 204}:
                    raise storage_said(self._title, answer.status_code, "the state of files on tape")
                said = bytearray()
                async for piece in answer.aiter_raw():
                    said += piece
                    if len(said) > _MAX_ANSWER:
                        raise StorageError(f"{self._title} says too much about tapes.", "Tell its people.")
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise TryAgainError(f"The connection to {self._title} failed ({type(error).__name__}).") from None
        try:
            return await asyncio.to_thread(parse, bytes(said)) if said else None
        except NotAnAnswer as error:
            raise StorageError(f"{self._title} answers nonsense about tapes: {error}.", "Tell its people.") from None


def _batched(paths: Iterable[str], size: int) -> Iterable[list[str]]:
    waiting = iter(paths)
    while batch := list(islice(waiting, size)):
        yield batch
