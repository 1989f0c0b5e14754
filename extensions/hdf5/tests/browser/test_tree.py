"""The tree: by keyboard, in the sidebar, searched, and with more children than anybody looks at."""

from __future__ import annotations

import re
from collections.abc import Callable

import h5py
import pytest
from playwright.sync_api import Locator, Page, expect
from running_lab import Lab
from waiting import clipboard


def document_tree(page: Page) -> Locator:
    """The tree beside the picture."""
    return page.locator(".ph5-viewer").get_by_role("tree")


def focused(page: Page) -> Locator:
    """The row that has the focus."""
    return page.locator("[role=treeitem]:focus")


def test_keys_walk_the_tree(lab: Lab, page: Page, stack: str) -> None:
    page.goto(lab.address(stack, h5path="/entry/curve"))
    tree = document_tree(page)
    tree.locator("[role=treeitem][tabindex='0']").focus()
    page.keyboard.press("Home")
    expect(focused(page)).to_have_attribute("data-h5path", "/")
    page.keyboard.press("ArrowDown")
    expect(focused(page)).to_have_attribute("data-h5path", "/entry")
    expect(focused(page)).to_have_attribute("aria-expanded", "true")
    expect(focused(page)).to_have_attribute("aria-level", "2")
    page.keyboard.press("ArrowRight")
    expect(focused(page)).to_have_attribute("data-h5path", "/entry/curve")
    expect(focused(page)).to_have_attribute("aria-posinset", "1")
    page.keyboard.type("da")
    expect(focused(page)).to_have_attribute("data-h5path", "/entry/dangling")
    page.wait_for_timeout(1000)  # what is typed later begins anew
    page.keyboard.type("dat")
    expect(focused(page)).to_have_attribute("data-h5path", "/entry/data")
    page.keyboard.press("ArrowRight")
    expect(tree.locator("[data-h5path='/entry/data/frames']")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(focused(page)).to_have_attribute("data-h5path", "/entry/data/frames")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(focused(page)).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("End")
    expect(focused(page)).to_have_attribute("data-h5path", "/entry/title")
    page.keyboard.press("Enter")
    expect(page.locator(".ph5-viewer")).to_have_attribute("data-h5path", "/entry/title")
    assert tree.locator("[tabindex='0']").count() == 1


def test_a_broken_child_says_why_in_its_place(lab: Lab, page: Page, stack: str) -> None:
    page.goto(lab.address(stack, h5path="/entry/curve"))
    row = document_tree(page).locator("[data-h5path='/entry/dangling']")
    expect(row).to_contain_text("nowhere")
    row.click()
    viewer = page.locator(".ph5-viewer")
    expect(viewer.locator(".ph5-main").get_by_role("alert").first).to_contain_text("nowhere")
    document_tree(page).locator("[data-h5path='/entry/soft']").click()
    expect(viewer).to_have_attribute("data-h5path", "/entry/soft")
    expect(viewer.locator(".ph5-main").get_by_role("alert")).to_have_count(0)


def test_the_menu_key_offers_what_can_be_done(lab: Lab, page: Page, stack: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(lab.address(stack, h5path="/entry/curve"))
    document_tree(page).locator("[data-h5path='/entry/soft']").click(button="right")
    for name in ("Open in New Tab", "Open Target of Link", "Add to Plot", "Insert Code", "Copy Link to This View"):
        expect(page.get_by_role("menuitem", name=name)).to_be_visible()
    page.get_by_role("menuitem", name="Copy HDF5 Path").click()
    assert clipboard(page, "/entry/soft") == "/entry/soft"


def test_the_sidebar_follows_selection_and_document(
    lab: Lab, page: Page, stack: str, shot: Callable[[str], None]
) -> None:
    page.goto(lab.address())
    page.get_by_role("listitem", name=stack).click()
    page.get_by_role("tab", name="HDF5", exact=True).click()
    sidebar = page.locator(".ph5-sidebar")
    sidebar.locator("[data-h5path='/entry']").click()
    expect(page.locator(".ph5-viewer")).to_have_attribute("data-h5path", "/entry")
    sidebar.locator("[data-h5path='/entry/curve']").click()
    expect(page.locator(".ph5-viewer")).to_have_attribute("data-h5path", "/entry/curve")
    expect(sidebar.locator("[data-h5path='/entry/curve']")).to_have_attribute("aria-selected", "true")
    expect(sidebar.get_by_text("contiguous").last).to_be_visible()
    shot("sidebar")


def test_search_streams_and_leads_there(lab: Lab, page: Page, stack: str) -> None:
    page.goto(lab.address(stack, h5path="/entry/curve"))
    viewer = page.locator(".ph5-viewer")
    viewer.get_by_role("searchbox").fill("tim")
    expect(viewer.locator(".ph5-match")).to_have_count(1)
    viewer.get_by_role("combobox", name="Search by").select_option("NeXus class")
    viewer.get_by_role("searchbox").fill("NXdata")
    expect(viewer.locator(".ph5-match")).to_have_count(1)
    viewer.get_by_role("combobox", name="Search by").select_option("Attribute")
    viewer.get_by_role("searchbox").fill("units")
    expect(viewer.locator(".ph5-match")).to_have_count(1)
    viewer.get_by_role("searchbox").press("ArrowDown")
    page.keyboard.press("Enter")
    expect(viewer).to_have_attribute("data-h5path", "/entry/data/time")
    viewer.get_by_role("searchbox").press("Escape")
    expect(document_tree(page).locator("[data-h5path='/entry/data/time']")).to_be_visible()


@pytest.fixture(scope="module")
def many(lab: Lab) -> str:
    """A group of 100,000 children."""
    name = "many.h5"
    with h5py.File(lab.root / name, "w", libver="latest") as file:
        group = file.create_group("all")
        space, kind = h5py.h5s.create(h5py.h5s.SCALAR), h5py.h5t.NATIVE_INT32
        for number in range(100_000):
            h5py.h5d.create(group.id, f"d{number}".encode(), kind, space)
        file["small"] = 1
    return name


def test_a_hundred_thousand_children_stay_smooth(lab: Lab, page: Page, many: str, shot: Callable[[str], None]) -> None:
    page.goto(lab.address(many, h5path="/small"))
    tree = document_tree(page)
    tree.locator("[data-h5path='/all']").locator(".ph5-twistie").click()
    expect(tree.locator("[data-h5path='/all/d0']")).to_be_visible()
    expect(tree.locator("[data-h5path='/all/d2']")).to_have_attribute("aria-setsize", "100000")
    tree.locator("[data-h5path='/all/d0']").focus()
    page.keyboard.press("End")
    expect(focused(page)).to_have_attribute("data-h5path", "/small")
    page.keyboard.press("ArrowUp")
    expect(tree.locator("[data-h5path='/all/d99999']")).to_be_visible()
    assert tree.locator("[role=treeitem]").count() < 120
    frames = page.evaluate(
        """async () => {
            const box = document.querySelector('.ph5-viewer .ph5-tree');
            const frames = [];
            for (let i = 0; i < 60; i++) {
                box.scrollTop = (i / 60) * box.scrollHeight;
                const begun = performance.now();
                await new Promise(requestAnimationFrame);
                frames.push(performance.now() - begun);
            }
            return frames;
        }"""
    )
    assert sorted(frames)[30] < 400, frames  # a hundred thousand rows drawn at a time would take seconds for each
    shot("100k")


def test_the_sidebar_leads_to_the_data(lab: Lab, page: Page, stack: str) -> None:
    """With the keyboard: folders and HDF5 files, nothing else; from a file back to those beside it."""
    folder = lab.root / "proposals" / "2026"
    folder.mkdir(parents=True)
    for name in ("scan10.h5", "scan2.h5"):
        (folder / name).write_bytes((lab.root / stack).read_bytes())
    (folder / "notes.txt").write_text("no data")
    page.goto(lab.address())
    page.get_by_role("tab", name="HDF5").click()
    page.locator(".ph5-folder [tabindex='0']").focus()
    for name in ("proposals", "2026"):
        page.keyboard.type(name)
        expect(page.get_by_role("treeitem", name=name)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator(".ph5-folder").get_by_role("treeitem").first).to_be_focused()
    shown = page.locator(".ph5-folder").get_by_role("treeitem")
    expect(shown).to_have_count(3)
    assert [re.split(r"\n", text)[0] for text in shown.all_inner_texts()][1:] == ["scan2.h5", "scan10.h5"]
    page.keyboard.press("ArrowDown")
    expect(shown.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".ph5-viewer")).to_have_attribute("data-path", "proposals/2026/scan2.h5", timeout=60_000)
    expect(page.locator(".ph5-sidebar .ph5-browser-title")).to_have_text("scan2.h5")
    page.locator(".ph5-sidebar").get_by_role("button", name="Other files").click()
    expect(shown).to_have_count(3)
