"""Telling the hub that a login is over (OpenID Connect Back-Channel Logout 1.0): on logout, on suspension, or when asked."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

from provider_state import Provider
from tornado.httpclient import AsyncHTTPClient, HTTPClientError

TRIES, PAUSE_SECONDS, LOOK_SECONDS = 4, 1.0, 0.5
_pending: set[asyncio.Task[None]] = set()  # asyncio itself holds tasks only weakly


async def log_out(provider: Provider, *, subject: str, sid: str = "") -> int:
    """End one session (``sid``), or all of somebody's, and tell the hub; the telling goes on after this returns.

    Returns:
        How many logins were ended. Where it is none, nobody is told.
    """
    ended = provider.revoke(sid=sid) if sid else provider.revoke(subject=subject)
    if ended and provider.logout_uri:
        task = asyncio.create_task(tell(provider, subject=subject, sid=sid))
        _pending.add(task)
        task.add_done_callback(_pending.discard)
    return ended


async def tell(provider: Provider, *, subject: str, sid: str) -> None:
    """Send a logout token, a few times where the hub does not answer."""
    for attempt in range(TRIES):
        body = urlencode({"logout_token": provider.logout_token(subject=subject, sid=sid)})
        try:
            answer = await AsyncHTTPClient().fetch(
                provider.logout_uri,
                **{"method": "POST", "body": body, "follow_redirects": False, "request_timeout": 5.0},
            )
            outcome, again = str(answer.code), False
        except HTTPClientError as error:
            outcome, again = str(error.code), error.code >= 500
        except OSError as error:
            outcome, again = type(error).__name__, True
        print(f"logout token for {subject[:8]}…: {outcome}", flush=True)
        if not again:
            return
        await asyncio.sleep(PAUSE_SECONDS * 2**attempt)


async def watch(provider: Provider) -> None:
    """End the logins of those who are suspended or gone from the file of people. Runs until it is cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            over = {login.session for login in provider.logins.values() if not login.revoked}
            gone = {session.subject for session in over if not provider.is_active(session)}
        except (OSError, ValueError, KeyError) as error:
            print(f"{provider.personas_file} cannot be read: {error}", flush=True)
            continue
        for subject in gone:
            await log_out(provider, subject=subject)
