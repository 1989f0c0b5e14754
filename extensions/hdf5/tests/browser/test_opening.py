"""A file opens: by double click, by a link, again after a reload."""

from __future__ import annotations

from collections.abc import Callable

import h5py
import numpy as np
import pytest
from playwright.sync_api import Page, expect
from running_lab import Lab


@pytest.fixture(scope="module")
def stack(lab: Lab) -> str:
    """A NeXus file with a stack of images and a curve."""
    name = "stack.nxs"
    y, x = np.mgrid[0:300, 0:400]
    frames = np.stack([np.hypot(y - 150, x - 200 - 10 * i) for i in range(8)]).astype("f4")
    with h5py.File(lab.root / name, "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs.update({"NX_class": "NXentry", "default": "data"})
        entry["title"] = "Rings that move"
        data = entry.create_group("data")
        data.attrs.update({"NX_class": "NXdata", "signal": "frames", "axes": ["time", "y", "x"]})
        data.create_dataset("frames", data=frames, chunks=(1, 300, 400), compression="gzip", shuffle=True)
        data["time"] = np.arange(8) * 0.5
        data["time"].attrs["units"] = "s"
        data["x"] = np.arange(400.0)
        data["y"] = np.arange(300.0)
        entry["curve"] = np.sin(np.linspace(0, 20, 500))
        entry["soft"] = h5py.SoftLink("/entry/curve")
        entry["dangling"] = h5py.SoftLink("/nowhere")
    return name


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
