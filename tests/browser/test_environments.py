"""Environments as a person chooses them: what is on the machine starts and opens on its notebook, what is not is shown as such."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from playwright.sync_api import BrowserContext, Page, expect
from support import RunningDemo, log_in, screenshot, visit
from test_desktop import wait_for_desktop
from test_main_job import RUN_SECONDS, START_SECONDS, run_all, stop_server

from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.model import Environment

PROPOSAL = "demo/demo-001"
THEMES = ("light", "dark")
WIDTHS = (1280, 320)


@pytest.fixture
def without_start_page(docker_hub: RunningDemo) -> Iterator[RunningDemo]:
    """The demo, in which Marie's proposal has no start page of its own, and she was never here."""
    for examples in docker_hub.folder.glob("homes-docker/marie/examples"):
        shutil.rmtree(examples)
    page = next((docker_hub.folder / "data").rglob("demo-001/processed/start-here.ipynb"))
    away = page.rename(page.with_name("put-away.ipynb"))
    yield docker_hub
    away.rename(page)


def environments(hub: RunningDemo) -> dict[str, Environment]:
    """Those of the demo facility."""
    return dict(load_site(hub.folder / "site").facilities["demo"].environments)


def here(environment: Environment) -> bool:
    """Whether Docker has its image."""
    client = docker.from_env()
    try:
        client.images.get(environment.image)
    except docker.errors.ImageNotFound:
        return False
    finally:
        client.close()
    return True


def choose(page: Page, hub: RunningDemo, environment: str = "") -> None:
    """The page on which an environment is chosen, all of it unfolded."""
    wanted = f"&environment={environment}" if environment else ""
    visit(page, f"{hub.url}/hub/open?proposals={PROPOSAL}{wanted}")
    page.locator("#environments > summary").click()
    if page.locator("#absent").count():
        page.locator("#absent > summary").click()


def every_look(page: Page, name: str) -> None:
    """Pictures at both widths and in both themes; nothing is wider than the page."""
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        page.evaluate("theme => document.documentElement.setAttribute('data-bs-theme', theme)", theme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (theme, width)
            page.screenshot(path=_picture(f"{name}-{theme}-{width}"), full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


def _picture(name: str) -> Path:
    from support import SCREENSHOTS

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS / f"{name}.png"


@pytest.mark.browser
def test_local_servers_offer_what_really_runs(local_hub: RunningDemo, page: Page) -> None:
    log_in(page, local_hub, "Marie")
    choose(page, local_hub)
    expect(page.locator(".cards label.env")).to_have_count(1)
    expect(page.locator("label.env .badge-soft")).to_have_text("Suggested")
    absent = page.locator("#absent li.env")
    expect(absent).to_have_count(len(environments(local_hub)) - 1)
    expect(absent.get_by_role("radio")).to_have_count(0)
    expect(page.locator("#absent")).to_contain_text("The people who run this hub can add them.")
    expect(page.locator(".env-command")).to_have_count(0)
    every_look(page, "environments-local")


@pytest.mark.browser
def test_one_that_is_not_here_is_refused_in_words(local_hub: RunningDemo, page: Page) -> None:
    log_in(page, local_hub, "Marie")
    visit(page, f"{local_hub.url}/hub/open?proposals={PROPOSAL}&environment=demo/ill")
    title = environments(local_hub)["ill"].title
    expect(page.get_by_role("alert")).to_contain_text(f"“{title}” is not on this machine.")
    expect(page.get_by_role("alert")).to_contain_text("Choose one that is:")
    expect(page.locator("#environments")).to_have_attribute("open", "")
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
    screenshot(page, "environments-refused")


@pytest.mark.browser
@pytest.mark.docker
def test_what_is_on_the_machine(docker_hub: RunningDemo, page: Page) -> None:
    log_in(page, docker_hub, "Marie")
    choose(page, docker_hub)
    offered = environments(docker_hub)
    present = [environment.title for environment in offered.values() if here(environment)]
    found = page.locator("label.env .env-title").all_inner_texts()
    assert sorted(re.sub(r" (Suggested|With a desktop)", "", text).strip() for text in found) == sorted(present)
    missing = page.locator("#absent .env-title").all_inner_texts()
    assert len(missing) == len(offered) - len(present)
    base = page.locator("label.env").filter(has_text=offered["base"].title)
    expect(base).to_contain_text(re.compile(r"Size: \d+ MB"))
    expect(base).to_contain_text(re.compile(r"Packages: .*h5py \d"))
    every_look(page, "environments-docker")


@pytest.mark.browser
@pytest.mark.docker
@pytest.mark.slow
def test_the_images_notebook_is_what_a_person_first_sees(
    without_start_page: RunningDemo, context: BrowserContext, page: Page
) -> None:
    hub = without_start_page
    log_in(page, hub, "Marie")
    choose(page, hub, "demo/base")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/lab/tree/examples/base/start-here\.ipynb"), timeout=START_SECONDS * 1000)
    run_all(page)
    expect(page.get_by_text("thermal expansion: 11.6 millionths per kelvin")).to_be_visible(timeout=RUN_SECONDS * 1000)
    expect(page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)
    expect(page.get_by_text("proposals/demo/demo-001/raw").first).to_be_visible()
    screenshot(page, "environments-notebook")
    stop_server(page, hub)


@pytest.mark.browser
@pytest.mark.docker
@pytest.mark.slow
def test_a_desktop_from_the_hub(docker_hub: RunningDemo, page: Page) -> None:
    """One click from the proposal to the desktop, and from the list of running servers."""
    log_in(page, docker_hub, "Marie")
    choose(page, docker_hub)
    expect(page.locator("#start-desktop")).to_be_hidden()
    page.get_by_role("radio", name=re.compile("With a desktop")).check()
    expect(page.locator("#start-desktop")).to_be_visible()
    expect(page.locator("#env-chosen")).to_have_text(environments(docker_hub)["desktop"].title)
    every_look(page, "environments-desktop")
    page.locator("#start-desktop").click()
    page.wait_for_url(re.compile(r"/desktop/"), timeout=START_SECONDS * 1000)
    wait_for_desktop(page, 60)
    screenshot(page, "environments-desktop-open")
    visit(page, f"{docker_hub.url}/hub/home")
    button = page.get_by_role("link", name=re.compile("^Desktop"))
    expect(button).to_have_attribute("href", re.compile(r"/desktop/$"))
    every_look(page, "environments-desktop-running")
    choose_running = f"{docker_hub.url}/hub/open?proposals={PROPOSAL}"
    visit(page, choose_running)
    expect(page.get_by_role("link", name="Desktop")).to_be_visible()
    stop_server(page, docker_hub)
