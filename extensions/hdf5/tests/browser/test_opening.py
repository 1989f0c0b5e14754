"""A file opens: by double click, by a link, again after a reload."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, Request, expect
from running_lab import Lab
from waiting import clipboard


def test_double_click_shows_the_default_plot(lab: Lab, page: Page, stack: str, shot: Callable[[str], None]) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(lab.address())
    page.get_by_role("listitem", name="stack.nxs").dblclick()
    viewer = page.locator(".ph5-viewer")
    expect(viewer.locator("canvas >> visible=true").first).to_be_visible()
    expect(viewer).to_have_attribute("data-h5path", "/entry/data")
    shot("double-click")
    contents = [url for url in asked if "/api/contents/stack.nxs?" in url]
    assert all("content=0" in url for url in contents), contents  # Lab never downloads the file
    assert len([url for url in asked if "/panosc-hdf5/open" in url]) == 1


def test_a_link_opens_exactly_one_view(lab: Lab, page: Page, stack: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(lab.address(stack, h5path="/entry/data", slice="3,:,:", vis="matrix"))
    viewer = page.locator(".ph5-viewer")
    expect(viewer).to_have_attribute("data-h5path", "/entry/data")
    expect(page.get_by_role("tab", name="Matrix")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("textbox", name="Slice")).to_have_value("3, :, :")
    expect(page.get_by_label("Index in time")).to_have_value("3")
    opened = [url for url in asked if "/panosc-hdf5/open" in url]
    assert len(opened) == 1, opened  # not the default first


def test_a_link_with_nonsense_still_opens_the_file(lab: Lab, page: Page, stack: str) -> None:
    page.goto(lab.address(stack, h5path="/entry/curve", slice="99,1", vis="hologram", range="a,b", zoom="1"))
    expect(page.locator(".ph5-viewer")).to_have_attribute("data-h5path", "/entry/curve")
    expect(page.get_by_role("tab", name="Line")).to_have_attribute("aria-selected", "true")


def test_a_copied_link_leads_back(lab: Lab, page: Page, stack: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(lab.address(stack, h5path="/entry/data", vis="matrix"))
    page.get_by_label("Index in time").fill("5")
    expect(page.get_by_role("textbox", name="Slice")).to_have_value("5, :, :")
    page.get_by_role("button", name="Copy link to this view").click()
    link = clipboard(page, "/lab/tree/stack.nxs?")
    assert "slice=5,+:,+:" in link
    page.goto(link)
    expect(page.get_by_label("Index in time")).to_have_value("5")
    expect(page.get_by_role("tab", name="Matrix")).to_have_attribute("aria-selected", "true")


def _saves(request: Request, text: str) -> bool:
    """Whether Lab saves a layout with it; it does so a second after the last change."""
    saved = request.method == "PUT" and "/api/workspaces/" in request.url
    return saved and text in (request.post_data or "").replace(" ", "")


def test_the_layout_comes_back_with_its_views(lab: Lab, page: Page, stack: str) -> None:
    page.goto(lab.address(stack, h5path="/entry/data", vis="matrix", slice="2,:,:"))
    expect(page.get_by_label("Index in time")).to_have_value("2")
    with page.expect_response(lambda response: _saves(response.request, "6,:,:")):
        page.get_by_label("Index in time").fill("6")
    page.goto(lab.address())
    viewer = page.locator(".ph5-viewer")
    expect(viewer).to_have_attribute("data-h5path", "/entry/data")
    expect(page.get_by_label("Index in time")).to_have_value("6")
    expect(page.get_by_role("tab", name="Matrix")).to_have_attribute("aria-selected", "true")


def test_any_file_can_be_tried(lab: Lab, page: Page, stack: str) -> None:
    """HDF5 files have all kinds of names; what is none is refused in words."""
    (lab.root / "scan.dat").write_bytes((lab.root / stack).read_bytes())
    (lab.root / "notes.h5").write_text("This is no HDF5 file.")
    page.goto(lab.address())
    page.get_by_role("listitem", name="scan.dat").click(button="right")
    page.locator(".lm-Menu-item", has_text="Open With").hover()
    page.locator(".lm-Menu-item", has_text="HDF5").click()
    expect(page.locator(".ph5-viewer")).to_have_attribute("data-h5path", "/entry/data")
    page.goto(lab.address("notes.h5"))
    alert = page.get_by_role("tabpanel", name="notes.h5").get_by_role("alert").first
    expect(alert).to_contain_text("HDF5")
    expect(alert).not_to_contain_text("Traceback")


def test_a_data_file_is_left_as_it_is(lab: Lab, page: Page, stack: str) -> None:
    """Lab copies what it opens into .ipynb_checkpoints, and would write an empty text on Ctrl+S."""
    folder = lab.root / "untouched"
    folder.mkdir()
    (folder / "a.h5").write_bytes((lab.root / stack).read_bytes())
    written: list[str] = []
    page.on("request", lambda request: request.method != "GET" and written.append(f"{request.method} {request.url}"))
    page.goto(lab.address("untouched/a.h5"))
    expect(page.locator(".ph5-viewer canvas >> visible=true").first).to_be_visible()
    page.locator(".ph5-viewer .ph5-fileline").click()
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-toast-message")).to_contain_text("is read-only")
    page.wait_for_timeout(1000)
    assert not [request for request in written if "/api/contents" in request], written
    assert [item.name for item in folder.iterdir()] == ["a.h5"]
    assert (folder / "a.h5").read_bytes() == (lab.root / stack).read_bytes()


def test_a_link_without_a_path_is_about_the_default_plot(lab: Lab, page: Page, stack: str) -> None:
    viewer = page.locator(".ph5-viewer")
    for query, name, value in [
        ({"slice": "3,:,:"}, "Slice", "3, :, :"),
        ({"range": "5,7", "slice": "2,:,:"}, "Slice", "2, :, :"),
    ]:
        page.goto(lab.address(stack, **query))
        expect(viewer).to_have_attribute("data-h5path", "/entry/data")
        expect(page.get_by_role("textbox", name=name)).to_have_value(value)
    page.goto(lab.address(stack, range="5,7"))
    expect(page.locator(".ph5-colourbar")).to_have_attribute("aria-label", "Colours from 5 to 7")


def test_a_panel_that_had_no_room_draws_when_it_gets_some(
    lab: Lab, page: Page, stack: str, shot: Callable[[str], None]
) -> None:
    """On a telephone Lab's sidebar leaves nothing for the document until it is closed."""
    page.set_viewport_size({"width": 320, "height": 568})
    page.goto(lab.address(stack))
    expect(page.locator(".ph5-viewer")).to_have_attribute("data-h5path", "/entry/data")
    page.keyboard.press("Control+b")
    figure = page.locator(".ph5-figure")
    expect(figure.locator("canvas").first).to_be_visible()
    shot("telephone")
    bar, image = page.locator(".ph5-colourbar").bounding_box(), figure.locator("canvas").first.bounding_box()
    assert bar and image
    assert bar["x"] >= image["x"] + image["width"] - 1, "the colour bar is beside the picture"
    assert image["width"] >= 130
