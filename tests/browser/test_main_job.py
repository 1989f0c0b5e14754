"""The main job, as a person does it: log in, pick a proposal, plot its data. With local processes and with containers."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect
from support import RunningDemo, log_in, reload_if_requests_were_dropped, screenshot, visit

START_SECONDS = 90
RUN_SECONDS = 120
RAW_FILE = "proposals/esrf/ma1234/raw/id31-20250915/ceria/ceria_insitu/ceria_insitu.h5"
ENOUGH_COLOURS = 50  # a page without a picture has fewer, a colour map 256

# Run in the person's own server: what may they write, what do they see, who are they?
LOOK_AROUND = """
import errno, json, os, pathlib, subprocess
home = pathlib.Path.home()
raw = next((home / "proposals/esrf/ma1234/raw").iterdir())
processed = next((home / "proposals/esrf/ma1234/processed").iterdir())
def write(directory):
    try:
        (directory / "written").write_text("x")
        return "written"
    except OSError as error:
        return errno.errorcode[error.errno]
print("SEEN " + json.dumps({
    "raw": write(raw),
    "processed": write(processed),
    "home": write(home),
    "proposals": sorted(str(p.relative_to(home / "proposals")) for p in (home / "proposals").glob("*/*")),
    "whoami": subprocess.check_output(["whoami"], text=True).strip(),
    "elsewhere": [p for p in ELSEWHERE if os.path.exists(p)],
    "secrets": sorted(k for k in os.environ if "CONFIGPROXY" in k or "CRYPT" in k or "CLIENT_SECRET" in k),
}))
"""


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
def hub(request: pytest.FixtureRequest) -> RunningDemo:
    """The demo, of both kinds."""
    running: RunningDemo = request.getfixturevalue(f"{request.param}_hub")
    return running


@pytest.mark.browser
@pytest.mark.slow
def test_log_in_pick_a_proposal_plot_its_data(hub: RunningDemo, context: BrowserContext, page: Page) -> None:
    kind = hub.folder.name
    log_in(page, hub, "Ada")
    screenshot(page, f"{kind}-1-my-proposals")
    expect(page.get_by_role("row").filter(has_text="ma1234")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="8-04-923")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Open ma1234")).click()
    screenshot(page, f"{kind}-2-open")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"/lab/tree/proposals/esrf/ma1234/.*start-here\.ipynb"), timeout=START_SECONDS * 1000)
    run_all(page)
    pictures = page.locator(".jp-OutputArea-output img")
    expect(pictures.first).to_be_visible(timeout=RUN_SECONDS * 1000)
    pictures.first.scroll_into_view_if_needed()
    assert pictures.first.evaluate("image => image.naturalWidth") > 200
    expect(page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)
    screenshot(page, f"{kind}-3-plotted")

    view_frames(page)
    screenshot(page, f"{kind}-4-viewed")

    seen = look_around(page, context, hub)
    assert seen["raw"] == "EROFS"
    assert (seen["processed"], seen["home"]) == ("written", "written")
    assert seen["proposals"] == ["esrf/ma1234"]
    assert seen["whoami"] == "ada"
    assert seen["elsewhere"] == []
    assert seen["secrets"] == []

    stop_server(page, hub)
    screenshot(page, f"{kind}-5-stopped")


@pytest.mark.browser
def test_a_person_without_proposals_is_told_why(hub: RunningDemo, page: Page) -> None:
    log_in(page, hub, "Noor")
    expect(page.get_by_text("There is nothing here that you can open")).to_be_visible()
    expect(page.get_by_text(re.compile("ask its main proposer"))).to_be_visible()
    screenshot(page, f"{hub.folder.name}-noor")


@pytest.mark.browser
def test_somebody_elses_proposal_is_refused_in_words(hub: RunningDemo, page: Page) -> None:
    log_in(page, hub, "Noor")
    visit(page, f"{hub.url}/hub/open?proposals=esrf/ma1234")
    expect(page.get_by_role("alert")).to_contain_text("You are not on proposal ma1234 (ESRF)")
    expect(page.get_by_role("button", name="Start")).to_have_count(0)
    screenshot(page, f"{hub.folder.name}-refused")


def run_all(page: Page) -> None:
    """Run > Run All Cells, once the kernel is there."""
    reload_if_requests_were_dropped(page)
    expect(page.locator(".jp-NotebookPanel .jp-Cell").first).to_be_visible(timeout=60_000)
    expect(page.locator("#jp-main-statusbar").get_by_text("| Idle")).to_be_visible(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def view_frames(page: Page) -> None:
    """The raw file opens as a picture, not as an even surface."""
    visit(page, page.url.split("/lab/")[0] + f"/lab/tree/{RAW_FILE}")
    reload_if_requests_were_dropped(page)
    picture = page.locator(".ph5-viewer canvas >> visible=true").first
    expect(picture).to_be_visible(timeout=60_000)
    expect(page.get_by_role("treeitem", name=re.compile("^plot"))).to_be_visible()
    for _ in range(240):
        shown = Image.open(io.BytesIO(picture.screenshot())).convert("RGB")
        if (colours := len(shown.getcolors(shown.width * shown.height))) > ENOUGH_COLOURS:
            return
        page.wait_for_timeout(250)
    raise AssertionError(f"only {colours} colours")


def look_around(page: Page, context: BrowserContext, hub: RunningDemo) -> dict[str, Any]:
    """What a notebook of the person's own sees in their server."""
    elsewhere = [str(hub.folder / name) for name in ("data", "site", "secrets", "state-local", "state-docker")]
    code = LOOK_AROUND.replace("ELSEWHERE", repr(elsewhere))
    cell = {"cell_type": "code", "id": "look", "metadata": {}, "outputs": [], "execution_count": None, "source": code}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": [cell]}
    server = page.url.split("/lab/")[0]
    xsrf = next(c["value"] for c in context.cookies(f"{server}/") if c["name"] == "_xsrf" and c["path"] in f"{server}/")
    saved = context.request.put(
        f"{server}/api/contents/look.ipynb",
        data=json.dumps({"type": "notebook", "content": notebook}),
        headers={"X-XSRFToken": xsrf, "Content-Type": "application/json"},
    )
    assert saved.ok, saved.text()
    visit(page, f"{server}/lab/tree/look.ipynb?reset")
    run_all(page)
    output = page.locator(".jp-OutputArea-output pre").filter(has_text="SEEN ")
    expect(output).to_be_visible(timeout=60_000)
    seen: dict[str, Any] = json.loads(output.inner_text().partition("SEEN ")[2])
    return seen


def stop_server(page: Page, hub: RunningDemo) -> None:
    """Stop the only server on my page, answering the question."""
    visit(page, f"{hub.url}/hub/home")
    page.locator("summary", has_text="Stop").click()
    page.get_by_role("button", name=re.compile("Yes, stop it")).click()
    expect(page.get_by_role("button", name=re.compile("Yes, stop it"))).to_have_count(0, timeout=30_000)
