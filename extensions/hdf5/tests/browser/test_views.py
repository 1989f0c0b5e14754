"""Every view and tool in a real Lab, with a screenshot of each to look at."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import h5py
import hdf5plugin
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from running_lab import Lab
from waiting import eventually

HEIGHT, WIDTH = 1100, 1030
GAP = slice(514, 551)
BAD = 2**32 - 1
SPOT = (300, 200)
BEAM = (550.0, 515.0)
Shot = Callable[[str], None]


@pytest.fixture(scope="session")
def eiger(lab: Lab) -> str:
    """Twelve frames of a detector with a gap, a mask, rings, spots of one pixel, and a geometry."""
    name = "eiger.h5"
    generator = np.random.default_rng(1)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    radius = np.hypot(y + 0.5 - BEAM[0], x + 0.5 - BEAM[1])
    rate = 0.2 + 9 * np.exp(-(((radius - 250) / 20) ** 2))
    mask = np.zeros((HEIGHT, WIDTH), "u4")
    mask[GAP] = 1
    with h5py.File(lab.root / name, "w") as file:
        file.attrs["default"] = "entry"
        entry = _group(file, "entry", "NXentry", default="data")
        detector = _group(_group(entry, "instrument", "NXinstrument"), "detector", "NXdetector")
        for field, value, unit in [
            ("beam_center_y", BEAM[0], "pixel"),
            ("beam_center_x", BEAM[1], "pixel"),
            ("detector_distance", 0.1, "m"),
            ("x_pixel_size", 75e-6, "m"),
            ("y_pixel_size", 75e-6, "m"),
        ]:
            detector[field] = value
            detector[field].attrs["units"] = unit
        detector["description"] = "Dectris EIGER2"
        detector["pixel_mask"] = mask
        beam = _group(entry["instrument"], "beam", "NXbeam")
        beam["incident_wavelength"] = 1.0
        beam["incident_wavelength"].attrs["units"] = "angstrom"
        data = _group(entry, "data", "NXdata", signal="data")
        shape = (12, HEIGHT, WIDTH)
        stack = data.create_dataset("data", shape, "u4", chunks=(1, *shape[1:]), **hdf5plugin.Bitshuffle(cname="lz4"))
        for i in range(12):
            frame = generator.poisson(rate * (1 + 0.2 * i)).astype("u4")
            frame[SPOT] = 54321 + i
            frame[mask > 0] = BAD
            stack[i] = frame
    return name


@pytest.fixture(scope="session")
def kinds(lab: Lab) -> str:
    """One object for each view."""
    name = "kinds.h5"
    with h5py.File(lab.root / name, "w") as file:
        file["wave"] = np.sin(np.linspace(0, 60, 2_000_000))
        file["wave"][1_234_567] = 7.0
        file["exact"] = np.arange(20_000, dtype="u8").reshape(100, 200) + 2**60
        file["long"] = np.arange(5_000_000, dtype="i4")
        file["complex"] = np.exp(1j * np.hypot(*np.mgrid[-50:50, -70:70]) / 6)
        file["table"] = np.array([(1, 2.5, b"a"), (3, 4.5, b"bcd")], dtype=[("n", "i4"), ("x", "f8"), ("s", "S5")])
        file["opaque"] = np.void(b"\x00\x01 some opaque bytes, more than one line of them")
        file["text"] = "Grüße aus Grenoble"
        colours = np.zeros((60, 90, 3), "u1")
        colours[:, :30, 0] = colours[:, 30:60, 1] = colours[:, 60:, 2] = 255
        file["colours"] = colours
        scan = _group(file, "scan", "NXdata", signal="counts", axes="energy", auxiliary_signals=["monitor"])
        scan["energy"] = np.linspace(8, 9, 150)
        scan["energy"].attrs["units"] = "keV"
        scan["counts"] = 1000 * np.exp(-(((scan["energy"][()] - 8.4) / 0.05) ** 2)) + 20
        scan["counts_errors"] = np.sqrt(scan["counts"][()])
        scan["monitor"] = np.full(150, 500.0)
        scan["theta"] = np.linspace(30, 20, 150)
        uneven = _group(file, "uneven", "NXdata", signal="z", axes=["y", "x"])
        uneven["x"], uneven["y"] = np.logspace(0, 2, 30), np.linspace(-1, 1, 20)
        uneven["z"] = np.add.outer(uneven["y"][()], np.log10(uneven["x"][()]))
        points = _group(file, "points", "NXdata", signal="v", axes=["x", "y"], x_indices=0, y_indices=0)
        angle = np.linspace(0, 6, 300)
        points["x"], points["y"], points["v"] = np.cos(angle), np.sin(angle), angle
        spectra = _group(file, "spectra", "NXdata", signal="s", axes=["t", "e"])
        spectra["t"], spectra["e"] = np.arange(5.0), np.linspace(0, 10, 200)
        spectra["s"] = np.exp(-((spectra["e"][()][None] - 3 - spectra["t"][()][:, None]) ** 2))
        spectra["s"].attrs["interpretation"] = "spectrum"
    return name


def _group(parent: h5py.Group, name: str, nx_class: str, **attributes: object) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    group.attrs.update(attributes)
    return group


def _requests(page: Page) -> list[str]:
    """What the server is asked from now on, without the address."""
    asked: list[str] = []
    page.on("request", lambda r: "/panosc-hdf5/" in r.url and asked.append(r.url.split("/panosc-hdf5/")[1]))
    return asked


def _image(page: Page) -> Locator:
    """The image, once it is complete and drawn."""
    view = page.locator("[data-vis=heatmap] >> visible=true").first
    expect(view).to_have_attribute("aria-busy", "false", timeout=60_000)
    canvas = view.locator("canvas").first
    expect(canvas).to_be_visible()
    page.wait_for_timeout(700)
    return canvas


def _pixels(canvas: Locator) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB")).astype(int)


def _box(canvas: Locator) -> tuple[float, float, float, float]:
    box = canvas.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def _place(canvas: Locator, row: float, column: float) -> tuple[float, float]:
    """Where a pixel of the whole image is on the page: it is as large as fits, in the middle of the canvas."""
    x, y, width, height = _box(canvas)
    scale = min(width / WIDTH, height / HEIGHT)
    return x + width / 2 + (column - WIDTH / 2) * scale, y + height / 2 + (row - HEIGHT / 2) * scale


def _read(page: Page, canvas: Locator, row: float, column: float) -> str:
    """What the cursor says."""
    x, y = _place(canvas, row + 0.5, column + 0.5)
    page.mouse.move(x + 3, y)
    page.mouse.move(x, y)
    expect(page.locator("[data-testid=cursor] [data-exact=true]")).to_be_visible()
    return page.locator("[data-testid=cursor]").inner_text()


def test_first_picture_of_a_detector(page: Page, lab: Lab, eiger: str, shot: Shot) -> None:
    """It comes with the file in one request, shows the ring, and draws the gap as what it is: nothing."""
    asked = _requests(page)
    page.goto(lab.address(eiger))
    canvas = _image(page)
    shot("detector")
    assert [url.split("?")[0] for url in asked if re.match("open|view|tile|frame|stats", url)] == ["open"], asked

    def gap_is_grey_and_ring_is_bright() -> bool:
        pixels = _pixels(canvas)
        x, y, *_ = _box(canvas)
        gap = pixels[tuple(round(v) for v in np.subtract(_place(canvas, 532, 300), (x, y)))[::-1]]
        ring = pixels[tuple(round(v) for v in np.subtract(_place(canvas, 550 - 250, 515), (x, y)))[::-1]]
        return bool(np.ptp(gap) < 12 and ring[1] > 150 and ring[2] < 140)

    eventually(page, gap_is_grey_and_ring_is_bright)


def test_a_spot_of_one_pixel_is_seen(page: Page, lab: Lab, eiger: str) -> None:
    """Though one pixel of the screen shows several of the image."""
    page.goto(lab.address(eiger))
    canvas = _image(page)

    def brightest_colour_is_near_the_spot() -> bool:
        x, y, *_ = _box(canvas)
        column, row = (round(v) for v in np.subtract(_place(canvas, SPOT[0] + 0.5, SPOT[1] + 0.5), (x, y)))
        near = _pixels(canvas)[row - 3 : row + 4, column - 3 : column + 4].reshape(-1, 3)
        return bool((np.abs(near - (253, 231, 37)).sum(axis=1) < 30).any())

    eventually(page, brightest_colour_is_near_the_spot)


def test_what_the_cursor_says(page: Page, lab: Lab, eiger: str, shot: Shot) -> None:
    """The exact value, the pixel, and q."""
    page.goto(lab.address(eiger, h5path="/entry/data", zoom="280,320,180,220"))
    view = page.locator("[data-vis=heatmap] >> visible=true").first
    canvas = _image(page)
    x, y, width, height = _box(canvas)
    page.mouse.move(x + width / 2 + 40, y + height / 2)
    scale = min(width, height) / 40
    page.mouse.move(x + width / 2 + 0.5 * scale, y + height / 2 + 0.5 * scale)
    expect(view.locator("[data-testid=cursor] [data-exact=true]")).to_be_visible()
    text = view.locator("[data-testid=cursor]").inner_text()
    shot("cursor")
    assert "54321" in text and f"row {SPOT[0]}, column {SPOT[1]}" in text, text
    theta = np.arctan(np.hypot(SPOT[0] + 0.5 - BEAM[0], SPOT[1] + 0.5 - BEAM[1]) * 75e-6 / 0.1) / 2
    assert f"q {4 * np.pi * np.sin(theta):.4f}" in text, text


def test_masked_pixels_are_told(page: Page, lab: Lab, eiger: str) -> None:
    """Their stored value is shown all the same."""
    page.goto(lab.address(eiger))
    assert str(BAD) in _read(page, _image(page), 530, 300)


def test_the_next_frame(page: Page, lab: Lab, eiger: str) -> None:
    """Each step of the slider shows its frame, and the one after is there already."""
    page.goto(lab.address(eiger))
    _image(page)
    slider = page.locator(".ph5-viewer input[type=range]").first
    for index in range(1, 5):
        slider.focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator("[data-vis=heatmap] >> visible=true").first).to_have_attribute(
            "data-slice", f"{index}, :, :"
        )
    assert "54325" in _read(page, _image(page), *SPOT)


def test_sharp_when_zoomed_in(page: Page, lab: Lab, eiger: str, shot: Shot) -> None:
    """Every pixel of the image, from tiles; of the next frames, from the chunk as it is stored."""
    asked = _requests(page)
    page.goto(lab.address(eiger, h5path="/entry/data", zoom="250,350,150,250"))
    canvas = _image(page)
    eventually(page, lambda: any(url.startswith("tile?") and "level=0" in url for url in asked))
    _, _, width, height = _box(canvas)
    scale = min(width, height) / 100
    column, row = round(width / 2 + 0.5 * scale), round(height / 2 + 0.5 * scale)

    def spot_is_bright_and_its_neighbour_is_not() -> bool:
        bright = (np.abs(_pixels(canvas)[row, [column, column + round(2 * scale)]] - (253, 231, 37)) < 12).all(axis=1)
        return list(bright) == [True, False]

    try:
        eventually(page, spot_is_bright_and_its_neighbour_is_not)
    finally:
        shot("zoomed")
    asked.clear()
    page.locator(".ph5-viewer input[type=range]").first.focus()
    page.keyboard.press("ArrowRight")
    eventually(page, lambda: any(url.startswith("frame?") and "encoding=stored" in url for url in asked))
    eventually(page, spot_is_bright_and_its_neighbour_is_not)


def _drag(page: Page, begin: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*begin)
    page.mouse.down()
    page.mouse.move((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2, steps=3)
    page.mouse.move(*end, steps=3)
    page.mouse.up()


def _tool(page: Page, name: str) -> None:
    page.locator(".ph5-image .ph5-tools >> visible=true").get_by_role("button", name=name, exact=True).click()


def test_a_region_along_the_stack(page: Page, lab: Lab, eiger: str, shot: Shot) -> None:
    """Drawn, measured, moved by its numbers; its sums are those of the file."""
    page.goto(lab.address(eiger))
    canvas = _image(page)
    _tool(page, "Region")
    _drag(page, _place(canvas, 100, 400), _place(canvas, 200, 600))
    panel = page.get_by_role("region", name="Region")
    trace = panel.locator("[data-testid=roi-trace]")
    expect(trace).to_have_attribute("data-complete", "true", timeout=30_000)
    for label, value in {"rows": 100, "columns": 400}.items():
        panel.get_by_label(label).fill(str(value))
    panel.get_by_label("to").first.fill("120")
    panel.get_by_label("to").last.fill("430")
    with h5py.File(lab.root / eiger) as file:
        expected = int(file["entry/data/data"][0, 100:120, 400:430].sum())
    expect(panel.locator(".ph5-numbers")).to_contain_text(str(expected))
    expect(trace).to_have_attribute("data-done", "12")
    shot("region")


def test_a_profile(page: Page, lab: Lab, eiger: str, shot: Shot) -> None:
    """A line across the ring."""
    page.goto(lab.address(eiger, h5path="/entry/data", profile="550,100,550,900"))
    _image(page)
    panel = page.get_by_role("region", name="Profile")
    expect(panel.locator("[data-testid=profile-plot] canvas")).to_be_visible()
    panel.get_by_label("width").fill("5")
    page.wait_for_timeout(1500)
    shot("profile")


def test_one_pixel_along_the_stack(page: Page, lab: Lab, eiger: str, shot: Shot) -> None:
    """Chosen with the mouse, and with the keyboard."""
    page.goto(lab.address(eiger))
    canvas = _image(page)
    _tool(page, "Pixel")
    page.mouse.click(*_place(canvas, 700, 700))
    panel = page.get_by_role("region", name="Pixel")
    panel.get_by_label("row").fill(str(SPOT[0]))
    panel.get_by_label("column").fill(str(SPOT[1]))
    expect(panel.locator("[data-testid=point-trace]")).to_have_attribute("data-complete", "true")
    page.wait_for_timeout(800)
    shot("pixel")


def test_statistics_and_rings(page: Page, lab: Lab, eiger: str, shot: Shot) -> None:
    """Histogram, and the intensity by q, whose greatest value is where the ring is."""
    page.goto(lab.address(eiger))
    _image(page)
    _tool(page, "Statistics")
    panel = page.get_by_role("region", name="Statistics")
    expect(panel.locator("[data-testid=histogram] canvas")).to_be_visible()
    expect(panel.locator(".ph5-numbers")).to_contain_text("masked")
    shot("statistics")
    panel.get_by_role("button", name="Close").click()
    _tool(page, "Azimuthal integration")
    rings = page.get_by_role("region", name="Azimuthal integration")
    expect(rings.locator("[data-testid=azimuthal-plot] canvas")).to_be_visible(timeout=60_000)
    expect(rings.locator("summary")).to_contain_text("/entry/instrument/detector")
    page.wait_for_timeout(1000)
    shot("azimuthal")


@pytest.mark.parametrize("mode", ["side", "difference", "swipe"])
def test_two_images(page: Page, lab: Lab, eiger: str, shot: Shot, mode: str) -> None:
    """Frame 0 and frame 9."""
    page.goto(lab.address(eiger, h5path="/entry/data", compare="::/entry/data::9, :, :", mode=mode))
    _image(page)
    view = page.locator("[data-vis=heatmap] >> visible=true").first
    expect(view.locator("canvas")).to_have_count(2 if mode == "side" else 1)
    expect(view).to_contain_text("9, :, :")
    page.wait_for_timeout(1500)
    shot(f"compare-{mode}")


def test_a_long_curve(page: Page, lab: Lab, kinds: str, shot: Shot) -> None:
    """Two million samples: one outlier is seen, and detail comes with the zoom, a few kB at a time."""
    sizes: list[int] = []
    page.on("response", lambda r: "/line?" in r.url and sizes.append(int(r.headers.get("content-length", 0))))
    page.goto(lab.address(kinds, h5path="/wave"))
    view = page.locator("[data-vis=line] >> visible=true").first
    canvas = view.locator("canvas")
    expect(canvas).to_be_visible(timeout=60_000)
    eventually(page, lambda: _bucket(view) > 100)
    before = _bucket(view)
    page.wait_for_timeout(1000)
    shot("curve")
    x, y, width, height = _box(canvas)
    page.mouse.move(x + width * 0.617, y + height / 2)
    for _ in range(60):
        page.mouse.wheel(0, -100)
    eventually(page, lambda: _bucket(view) < before / 4)
    page.wait_for_timeout(1000)
    assert max(sizes) < 80_000, sizes
    shot("curve-zoomed")


def _bucket(view: Locator) -> int:
    """How many samples are one point of the curve."""
    return int(view.get_attribute("data-bucket") or 0)


def test_curves_with_errors_and_others(page: Page, lab: Lab, kinds: str, shot: Shot) -> None:
    """Signal, auxiliary signal, a further curve, and another X axis."""
    page.goto(lab.address(kinds, h5path="/scan"))
    view = page.locator("[data-vis=line] >> visible=true").first
    expect(view).to_have_attribute("data-curves", "2", timeout=60_000)
    view.get_by_role("button", name="Curves").click()
    picker = page.get_by_role("region", name="X axis and curves")
    picker.get_by_role("combobox", name="Add a curve").select_option("/scan/theta")
    expect(view).to_have_attribute("data-curves", "3")
    picker.get_by_role("combobox", name="X axis").select_option("/scan/theta")
    page.wait_for_timeout(1500)
    shot("curves")
    view.get_by_role("button", name="Take theta off the plot").click()
    expect(view).to_have_attribute("data-curves", "2")


@pytest.mark.parametrize("name", ["uneven", "points", "spectra", "colours", "complex"])
def test_other_pictures(page: Page, lab: Lab, kinds: str, shot: Shot, name: str) -> None:
    """Axes of uneven steps, scattered points, spectra together, colour images, complex numbers."""
    query = {"h5path": f"/{name}"} | ({"vis": "rgb"} if name == "colours" else {})
    page.goto(lab.address(kinds, **query))
    canvas = page.locator(".ph5-visualization canvas >> visible=true").first
    expect(canvas).to_be_visible(timeout=60_000)
    if name == "colours":
        eventually(page, lambda: _middle(canvas) == [(255, 0, 0), (0, 255, 0), (0, 0, 255)])
    page.wait_for_timeout(2000)
    shot(f"view-{name}")
    if name == "complex":
        page.get_by_role("combobox", name="Show Amplitude").click()
        page.get_by_role("option", name="Phase").click()
        expect(page.locator("[data-part=phase] canvas")).to_be_visible()
        page.wait_for_timeout(1500)
        shot("view-phase")


def _middle(canvas: Locator) -> list[tuple[int, ...]]:
    """Colours of the middle row, at a sixth, a half and five sixths."""
    pixels = _pixels(canvas)
    row = pixels[pixels.shape[0] // 2]
    return [tuple(row[round(share * len(row))]) for share in (1 / 6, 1 / 2, 5 / 6)]


def test_tables(page: Page, lab: Lab, kinds: str, shot: Shot) -> None:
    """64-bit integers exactly, five million rows to the last, fields, bytes and text."""
    page.goto(lab.address(kinds, h5path="/exact", vis="matrix"))
    grid = page.get_by_role("grid")
    expect(grid.get_by_text(str(2**60 + 1), exact=True)).to_be_visible(timeout=60_000)
    shot("matrix")
    page.goto(lab.address(kinds, h5path="/long", vis="matrix"))
    expect(grid.get_by_role("gridcell").first).to_have_text("0", timeout=60_000)
    grid.focus()
    page.keyboard.press("Control+End")
    expect(grid.get_by_text("4999999", exact=True).last).to_be_visible()
    page.goto(lab.address(kinds, h5path="/table"))
    expect(grid.get_by_text("bcd", exact=True)).to_be_visible(timeout=60_000)
    page.goto(lab.address(kinds, h5path="/opaque"))
    expect(page.locator("[data-vis=raw] pre")).to_contain_text("some opaque", timeout=60_000)
    page.goto(lab.address(kinds, h5path="/text"))
    expect(page.locator("[data-vis=scalar]")).to_contain_text("Grüße aus Grenoble", timeout=60_000)


def test_what_is_shown_as_a_file(page: Page, lab: Lab, eiger: str) -> None:
    """A picture with its axes, and exactly the frame."""
    page.goto(lab.address(eiger))
    _image(page)
    for item, suffix in (("Picture", ".png"), ("NumPy", ".npy")):
        with page.expect_download() as download:
            page.get_by_role("button", name="Export what is shown").click()
            page.get_by_role("menuitem", name=item).click()
        path = download.value.path()
        assert download.value.suggested_filename.endswith(suffix)
        if suffix == ".png":
            with Image.open(path) as picture:
                assert picture.width > 600 and len(picture.convert("RGB").getcolors(2**24) or []) > 100
        else:
            with h5py.File(lab.root / eiger) as file, path.open("rb") as exported:
                assert (np.load(exported) == file["entry/data/data"][0]).all()


def test_a_hidden_tab_draws_nothing(page: Page, lab: Lab, eiger: str, kinds: str) -> None:
    """A browser grants a dozen WebGL contexts: those in sight have them."""
    page.goto(lab.address(eiger))
    _image(page)
    page.evaluate("url => window.history.pushState({}, '', url)", "/lab")
    page.locator(".jp-DirListing-item", has_text=kinds).dblclick()
    page.locator(".ph5-viewer >> visible=true").wait_for()
    expect(page.locator(f"[data-path='{eiger}'] canvas")).to_have_count(0)
    page.locator(".lm-TabBar-tab", has_text=eiger).click()
    _image(page)


def _theme(page: Page, name: str) -> None:
    page.locator(".lm-MenuBar-item", has_text="Settings").click()
    page.locator(".lm-Menu-item", has_text="Theme").first.hover()
    page.locator(".lm-Menu-item", has_text=re.compile(f"^{name}$")).click()


def test_dark(page: Page, lab: Lab, eiger: str, shot: Shot) -> None:
    """Follows Lab's theme."""
    page.goto(lab.address(eiger))
    _image(page)
    _theme(page, "JupyterLab Dark")
    expect(page.locator(".ph5-visualization[data-theme=dark] >> visible=true")).to_be_visible()
    _image(page)
    _tool(page, "Statistics")
    page.wait_for_timeout(2000)
    shot("dark")
    _theme(page, "JupyterLab Light")
    expect(page.locator(".ph5-visualization[data-theme=light] >> visible=true")).to_be_visible()
