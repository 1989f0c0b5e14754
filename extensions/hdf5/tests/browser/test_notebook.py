"""The notebook: the viewer in a cell, code inserted and run, a data set dragged in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect
from running_lab import Lab
from waiting import eventually

KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
NUMBERED = re.compile(r"\[\d+\]")
SLOW = 60_000
"""A kernel starts and imports on a busy machine."""


def notebook(lab: Lab, name: str, *cells: str) -> str:
    """Write a notebook into Lab's files."""
    made = [
        {"cell_type": "code", "id": f"c{i}", "source": cell, "metadata": {}, "outputs": [], "execution_count": None}
        for i, cell in enumerate(cells)
    ]
    (lab.root / name).write_text(json.dumps({"cells": made, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}))
    return name


class Notebook:
    """A notebook that is open on the page."""

    def __init__(self, lab: Lab, page: Page, name: str) -> None:
        self.page = page
        page.goto(lab.address(name))
        self.panel = page.locator(".jp-NotebookPanel >> visible=true")
        page.wait_for_function(
            "document.querySelector('#jp-main-statusbar')?.textContent.includes('| Idle')", timeout=2 * SLOW
        )

    def cell(self, number: int) -> Locator:
        return self.panel.locator(".jp-CodeCell").nth(number)

    def run(self, number: int) -> Locator:
        """Run one cell; what it put out."""
        cell = self.cell(number)
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        expect(cell.locator(".jp-InputPrompt")).to_have_text(NUMBERED, timeout=SLOW)
        return cell.locator(".jp-Cell-outputWrapper")


def painted(view: Locator) -> bool:
    """Whether the picture has more than a few colours."""
    picture = Image.open(BytesIO(view.screenshot())).convert("RGB").resize((200, 150))
    return len(picture.getcolors(30_000) or []) > 100


def viewer_in(output: Locator) -> Locator:
    """The viewer, once its picture is there."""
    viewer = output.locator(".ph5-viewer")
    expect(viewer.locator("canvas")).to_be_visible(timeout=SLOW)
    return viewer


def test_code_and_person_move_the_same_viewer(lab: Lab, page: Page, stack: str, shot: Callable[[str], None]) -> None:
    book = Notebook(
        lab,
        page,
        notebook(
            lab,
            "view.ipynb",
            f"import panosc_hdf5\nview = panosc_hdf5.view({stack!r}, '/entry/data', slice=0)\nview",
            "view.slice = '5, :, :'",
            "print(view.slice, view.data.shape, int(view.data[150].argmin()))",
        ),
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    viewer = viewer_in(book.run(0))
    eventually(page, lambda: painted(viewer))
    assert any("/panosc-hdf5/" in url for url in asked)  # the server has this file
    shot("notebook")
    book.run(1)
    expect(viewer.get_by_label("Index in time")).to_have_value("5")
    viewer.get_by_label("Index in time").fill("3")
    expect(viewer.get_by_role("textbox", name="Slice")).to_have_value("3, :, :")
    page.wait_for_timeout(500)
    expect(book.run(2)).to_contain_text("3, :, : (300, 400) 230")
    expect(page.locator("[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)


def test_a_file_outside_of_the_root_is_read_by_the_kernel(
    lab: Lab, page: Page, stack: str, tmp_path: Path, shot: Callable[[str], None]
) -> None:
    outside = tmp_path / "outside.h5"
    with h5py.File(outside, "w") as file:
        file["image"] = np.hypot(*np.mgrid[-100:100, -150:150])
    book = Notebook(
        lab, page, notebook(lab, "outside.ipynb", f"import panosc_hdf5\npanosc_hdf5.view({str(outside)!r}, '/image')")
    )
    viewer = viewer_in(book.run(0))
    eventually(page, lambda: painted(viewer))
    shot("notebook-outside")


def test_wrong_names_are_said_in_words(lab: Lab, page: Page, stack: str) -> None:
    book = Notebook(
        lab, page, notebook(lab, "wrong.ipynb", f"import panosc_hdf5\npanosc_hdf5.view({stack!r}, '/entry/dta')")
    )
    expect(book.run(0)).to_contain_text("There is no '/entry/dta'")


@pytest.mark.parametrize("name", ["Insert Code", "Open in Kernel", "Show in Notebook"])
def test_a_menu_puts_code_into_the_notebook(lab: Lab, page: Page, stack: str, name: str) -> None:
    book = Notebook(lab, page, notebook(lab, "code.ipynb", ""))
    page.get_by_role("listitem", name=stack).dblclick()
    tree = page.locator(".ph5-viewer").get_by_role("tree")
    tree.locator("[data-h5path='/entry/curve']").click(button="right")
    page.get_by_role("menuitem", name=name).click()
    source = book.panel.locator(".jp-CodeCell .cm-content").first
    if name == "Show in Notebook":
        expect(source).to_contain_text("panosc_hdf5.view")
        expect(book.panel.locator(".ph5-viewer")).to_be_visible(timeout=SLOW)
        return
    expect(source).to_contain_text("curve = h5[")
    output = book.run(0) if name == "Insert Code" else book.cell(0).locator(".jp-Cell-outputWrapper")
    expect(output).to_contain_text("array([", timeout=SLOW)


def test_a_data_set_is_dragged_into_the_notebook(lab: Lab, page: Page, stack: str) -> None:
    book = Notebook(lab, page, notebook(lab, "drag.ipynb", "1 + 1"))
    page.get_by_role("listitem", name=stack).click()
    page.get_by_role("tab", name="HDF5", exact=True).click()
    page.locator(".ph5-sidebar [data-h5path='/entry'] .ph5-twistie").click()
    sidebar_drag(page, lab, stack, book)
    cell = book.panel.locator(".jp-CodeCell", has_text="h5py.File")
    expect(cell).to_have_count(1)
    expect(cell.locator(".cm-content")).to_contain_text(f'h5py.File("{stack}", "r")')


def sidebar_drag(page: Page, lab: Lab, stack: str, book: Notebook) -> None:
    """From the sidebar's tree to below the first cell."""
    row = page.locator(".ph5-sidebar [data-h5path='/entry/curve']")
    source, target = row.bounding_box(), book.cell(0).bounding_box()
    assert source and target
    page.mouse.move(source["x"] + 30, source["y"] + source["height"] / 2)
    page.mouse.down()
    page.mouse.move(source["x"] + 60, source["y"] + 30, steps=4)
    page.mouse.move(target["x"] + 200, target["y"] + target["height"] / 2, steps=12)
    page.mouse.up()


@pytest.mark.parametrize("how", ["disabled", "not installed"])
def test_without_jupyterlab_widgets_everything_else_is_there(lab: Lab, page: Page, stack: str, how: str) -> None:
    def rewrite(route: Route) -> None:
        response = route.fetch()
        before, config, after = re.split(
            r"(?<=<script id=\"jupyter-config-data\" type=\"application/json\">)|(?=</script>)",
            response.text(),
            maxsplit=2,
        )
        found = json.loads(config)
        if how == "disabled":
            found["disabledExtensions"].append("@jupyter-widgets/jupyterlab-manager")
        else:
            found["federated_extensions"] = [e for e in found["federated_extensions"] if "widgets" not in e["name"]]
        route.fulfill(response=response, body=before + json.dumps(found) + after)

    page.route(re.compile(r"/lab/tree/"), rewrite)
    page.goto(lab.address(stack, h5path="/entry/curve"))
    expect(page.locator(".ph5-viewer")).to_have_attribute("data-h5path", "/entry/curve")
    page.locator(".ph5-viewer [data-h5path='/entry/curve']").first.click(button="right")
    expect(page.get_by_role("menuitem", name="Insert Code")).to_be_visible()
