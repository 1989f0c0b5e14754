"""A file that grows is followed."""

from __future__ import annotations

import h5py
import numpy as np
from playwright.sync_api import Page, expect
from running_lab import Lab

FRAMES_AT_FIRST = 3


def _grow(dataset: h5py.Dataset, count: int) -> None:
    for _ in range(count):
        length = dataset.shape[0]
        dataset.resize(length + 1, axis=0)
        dataset[length] = np.full((64, 80), length, "u2")
    dataset.flush()


def test_new_frames_appear_and_the_last_is_followed(lab: Lab, page: Page) -> None:
    with h5py.File(lab.root / "growing.h5", "w", libver="latest") as file:
        frames = file.create_dataset("frames", (0, 64, 80), "u2", maxshape=(None, 64, 80), chunks=(1, 64, 80))
        _grow(frames, FRAMES_AT_FIRST)
        file.swmr_mode = True
        page.goto(lab.address("growing.h5", h5path="/frames", vis="matrix"))
        expect(page.get_by_label("Index in D0")).to_have_attribute("max", "2")
        page.get_by_role("button", name="Follow last").click()
        expect(page.get_by_label("Index in D0")).to_have_value("2")
        page.wait_for_timeout(1500)  # followed for a while, as at an instrument
        _grow(frames, 1)
        expect(page.get_by_label("Index in D0")).to_have_value("3")
        _grow(frames, 5)
        expect(page.get_by_label("Index in D0")).to_have_value("8")
        page.get_by_label("Index in D0").fill("1")  # looking back ends the following
        _grow(frames, 1)
        expect(page.get_by_label("Index in D0")).to_have_attribute("max", "9")
        expect(page.get_by_label("Index in D0")).to_have_value("1")
        expect(page.get_by_role("button", name="Follow last")).to_have_attribute("aria-pressed", "false")


def test_a_rewritten_file_is_read_again(lab: Lab, page: Page) -> None:
    target = lab.root / "rewritten.h5"
    with h5py.File(target, "w") as file:
        file["value"] = "before"
    page.goto(lab.address("rewritten.h5", h5path="/value"))
    view = page.locator(".ph5-view")
    expect(view).to_contain_text("before")
    page.wait_for_timeout(1500)
    with h5py.File(lab.root / "new.h5", "w") as file:
        file["value"] = "after"
        file["more"] = 1
    (lab.root / "new.h5").replace(target)
    expect(view).to_contain_text("after")
    expect(page.locator(".ph5-viewer [data-h5path='/more']")).to_be_visible()
    target.unlink()
    expect(page.locator(".ph5-viewer .ph5-main").get_by_role("alert").first).to_be_visible()
