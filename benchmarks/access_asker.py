"""A process that asks a hub for pages and API answers at a steady pace, and prints the milliseconds each took, as JSON.

Used by ``benchmarks.access_load``, which writes to its standard input what to ask.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import httpx

RATE = 10.0
PATHS = ("/hub/home", "/hub/api/users/{user}", "/hub/token", "/hub/api/user")


async def _ask(browser: httpx.AsyncClient, person: dict[str, Any], path: str, due: float) -> float:
    """Milliseconds from when it was due: an answer that waits behind others counts as people would count."""
    xsrf = str(person["cookies"].get("_xsrf", ""))
    headers = {"X-XSRFToken": xsrf, "Sec-Fetch-Mode": "cors" if "/api/" in path else "navigate"}
    answer = await browser.get(path.format(user=person["user"]), headers=headers)
    if answer.status_code != 200:
        raise SystemExit(f"{path}: {answer.status_code} {answer.text[:300]}")
    return (time.perf_counter() - due) * 1000


async def main() -> None:
    """Ask for the seconds that are wanted."""
    asked = json.load(sys.stdin)
    browsers = [
        httpx.AsyncClient(base_url=asked["url"], cookies=person["cookies"], trust_env=False, timeout=60)
        for person in asked["askers"]
    ]
    began, waiting = time.perf_counter(), []
    for number in range(int(asked["seconds"] * RATE)):
        due = began + number / RATE
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        who = number % len(browsers)
        path = PATHS[number // len(browsers) % len(PATHS)]
        waiting.append(asyncio.create_task(_ask(browsers[who], asked["askers"][who], path, due)))
    print(json.dumps([round(value, 2) for value in await asyncio.gather(*waiting)]))
    for browser in browsers:
        await browser.aclose()


if __name__ == "__main__":
    asyncio.run(main())
