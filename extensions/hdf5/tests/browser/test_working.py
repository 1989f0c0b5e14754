"""What a person does with an open file: several curves, comparison, checks, the same view for the next file."""

from __future__ import annotations

from collections.abc import Callable

import h5py
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from running_lab import Lab
from waiting import clipboard


@pytest.fixture(scope="module")
def scans(lab: Lab) -> str:
    """Scans with curves and images of the same shape."""
    for name in ("scans.h5", "more.h5"):
        with h5py.File(lab.root / name, "w") as file:
            for number in (1, 2, 10):
                scan = file.create_group(f"{number}.1")
                scan.attrs["NX_class"] = "NXentry"
                scan["counter"] = np.cos(np.arange(200.0) / number)
                scan["image"] = np.random.default_rng(number).poisson(5, (4, 60, 80)).astype("u2")
            file["link"] = h5py.ExternalLink("more.h5", "/2.1")
    return "scans.h5"


def row(page: Page, h5path: str) -> Locator:
    """A row of the tree beside the picture."""
    return page.locator(f".ph5-viewer .ph5-row[data-h5path='{h5path}']")


def choose(page: Page, h5path: str, item: str) -> None:
    """From the menu of a row."""
    row(page, h5path).click(button="right")
    page.get_by_role("menuitem", name=item).click()


def test_several_curves_share_a_plot(lab: Lab, page: Page, scans: str, shot: Callable[[str], None]) -> None:
    page.goto(lab.address(scans, h5path="/1.1/counter"))
    expect(page.locator(".ph5-view canvas >> visible=true").first).to_be_visible()
    row(page, "/2.1").locator(".ph5-twistie").click()
    choose(page, "/2.1/counter", "Add to Plot")
    chips = page.get_by_role("list", name="Also shown")
    expect(chips.get_by_text("/2.1/counter")).to_be_visible()
    choose(page, "/2.1/counter", "Add to Plot")  # once is enough
    expect(chips.get_by_role("listitem")).to_have_count(1)
    page.wait_for_timeout(1000)
    shot("several-curves")
    page.get_by_role("button", name="Remove /2.1/counter").click()
    expect(chips).to_have_count(0)


def test_two_images_are_compared(lab: Lab, page: Page, scans: str, shot: Callable[[str], None]) -> None:
    page.goto(lab.address(scans, h5path="/1.1/image"))
    row(page, "/2.1").locator(".ph5-twistie").click()
    choose(page, "/2.1/image", "Compare with What Is Shown")
    page.get_by_role("combobox", name="Show").select_option("difference")
    expect(page.get_by_role("list", name="Also shown")).to_contain_text("/2.1/image")
    page.wait_for_timeout(1500)
    shot("compare")


def test_natural_order_is_the_order_of_scans(lab: Lab, page: Page, scans: str) -> None:
    page.goto(lab.address(scans, h5path="/1.1"))
    names = page.locator(".ph5-viewer .ph5-row[aria-level='2'] .ph5-name")
    expect(names).to_have_text(["1.1", "2.1", "10.1", "link"])
    page.locator(".ph5-viewer").get_by_role("combobox", name="Order").select_option("By name")
    expect(names).to_have_text(["1.1", "10.1", "2.1", "link"])
    page.locator(".ph5-viewer").get_by_role("button", name="Last first").click()
    expect(names).to_have_text(["link", "2.1", "10.1", "1.1"])


def test_the_target_of_an_external_link_opens(lab: Lab, page: Page, scans: str) -> None:
    page.goto(lab.address(scans, h5path="/1.1"))
    choose(page, "/link", "Open Target of Link")
    target = page.locator(".ph5-viewer[data-path='more.h5']")
    expect(target).to_have_attribute("data-h5path", "/2.1")


def test_the_next_file_is_shown_alike(lab: Lab, page: Page, scans: str) -> None:
    page.goto(lab.address(scans, h5path="/1.1/image", range="2,9", slice="3,:,:"))
    expect(page.get_by_label("Index in D0")).to_have_value("3")
    page.get_by_role("button", name="Keep view").click()
    row(page, "/2.1").locator(".ph5-twistie").click()
    row(page, "/2.1/image").click()
    expect(page.locator(".ph5-viewer")).to_have_attribute("data-h5path", "/2.1/image")
    expect(page.get_by_label("Index in D0")).to_have_value("3")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link to this view").click()
    clipboard(page, "range=2,9")


def test_findings_lead_to_their_objects(lab: Lab, page: Page, scans: str, shot: Callable[[str], None]) -> None:
    page.goto(lab.address(scans, h5path="/1.1/counter"))
    page.get_by_role("button", name="Check against NeXus").click()
    panel = page.get_by_role("complementary", name="Check against NeXus")
    finding = panel.locator(".ph5-pathbutton", has_text="/10.1").first
    expect(finding).to_be_visible()
    shot("check")
    finding.click()
    expect(page.locator(".ph5-viewer")).not_to_have_attribute("data-h5path", "/1.1/counter")


def test_a_stack_plays(lab: Lab, page: Page, scans: str) -> None:
    page.goto(lab.address(scans, h5path="/1.1/image"))
    page.get_by_role("button", name="Play through D0").click()
    expect(page.get_by_label("Index in D0")).to_have_value("2")
    page.get_by_role("button", name="Pause D0").click()
    page.wait_for_timeout(1000)  # a frame may have been under way
    index = page.get_by_label("Index in D0").input_value()
    page.wait_for_timeout(600)
    expect(page.get_by_label("Index in D0")).to_have_value(index)
    slider = page.get_by_role("slider", name="Position in D0")
    slider.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Index in D0")).to_have_value("1")


def test_what_is_not_used_is_not_loaded(lab: Lab, page: Page, scans: str) -> None:
    """Lab starts with a few kilobytes of ours; three.js comes where there is an HDF5 file, before somebody opens it."""
    sizes: dict[str, int] = {}

    def note(response: object) -> None:
        url = response.url  # type: ignore[attr-defined]
        if "jupyterlab-hdf5/static" in url and url.split("?")[0].endswith(".js"):
            sizes[url] = len(response.body())  # type: ignore[attr-defined]

    page.on("requestfinished", lambda request: note(request.response()))
    (lab.root / "without").mkdir(exist_ok=True)
    (lab.root / "without" / "notes.txt").write_text("no data")
    page.goto(lab.address("without"))
    expect(page.get_by_role("listitem", name="notes.txt")).to_be_visible()
    page.wait_for_timeout(1000)
    assert 0 < sum(sizes.values()) < 150_000, sizes
    with page.expect_response(
        lambda response: "jupyterlab-hdf5/static" in response.url and len(response.body()) > 500_000
    ):
        page.goto(lab.address(reset=""))
        expect(page.get_by_role("listitem", name=scans)).to_be_visible()
    page.get_by_role("listitem", name=scans).dblclick()
    expect(page.locator(".ph5-view canvas >> visible=true").first).to_be_visible()
