"""The notebook that opens on a data set: it says what it is and how to cite it, reads the file's default plot, and draws it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from panosc_portal.moving.citing import Citing
from panosc_portal.opening.plots import Look, Plot

FOLDER = "opened"
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~$-])")


@dataclass(frozen=True)
class Subject:
    """What a notebook is about.

    Attributes:
        path: of the file in the person's server, relative to their home: ``proposals/esrf/ma1234/raw/a.h5``.
        title: of the data set.
        cite: how to cite it; None where no catalogue knows it.
        page: the absolute address of its page here.
        look: what the file shows.
    """

    path: PurePosixPath
    title: str
    page: str
    look: Look
    cite: Citing | None = None


def notebook_name(path: PurePosixPath) -> str:
    """The notebook's path in the home: ``opened/scan_0001.ipynb``."""
    stem = re.sub(r"[^\w.+-]+", "_", path.stem, flags=re.ASCII).strip("._")[:80] or "data"
    return f"{FOLDER}/{stem}.ipynb"


def notebook(subject: Subject) -> bytes:
    """The notebook, nbformat 4.5."""
    cells = [_first(subject), _code(_locating(subject.path))]
    plot = subject.look.plot
    if plot is None:
        reason = subject.look.error or "The file names no default plot, and has none that can be guessed."
        cells += [_words(f"{_plain(reason)} This is what is in it:"), _code(_LISTING)]
    elif plot.is_image:
        cells += _image_cells(plot)
    else:
        cells += _curve_cells(plot)
    cells += [_words(_WHERE_NEXT), _code(_VIEWER)]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    document = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document, indent=1, ensure_ascii=False).encode()


def _first(subject: Subject) -> dict[str, Any]:
    """What it is, with the picture that the portal made, so that it is seen before anything was run."""
    cell = _words(_introduction(subject))
    if picture := subject.look.picture:
        name = "preview.png" if picture.type == "image/png" else "preview.svg"
        words = f"\n\n![Its default plot](attachment:{name})\n\n*As the portal drew it. The cells below draw it from the data: run them all.*"
        cell["source"] += words.splitlines(keepends=True)
        cell["attachments"] = {name: {picture.type: picture.data}}
    return cell


def _introduction(subject: Subject) -> str:
    lines = [f"# {_plain(subject.title)}", ""]
    if subject.cite:
        lines += [f"**Cite as:** {_plain(subject.cite.cite)}", ""]
        if subject.cite.licence:
            lines += [f"**Licence:** {_plain(subject.cite.licence)}", ""]
        if subject.cite.doi:
            lines += [f"DOI: [{_plain(subject.cite.doi)}](https://doi.org/{_in_address(subject.cite.doi)})", ""]
    lines.append(f"[Its page]({_in_address(subject.page)}) has the rest of what is known of it.")
    return "\n".join(lines)


def _locating(path: PurePosixPath) -> str:
    # Compression filters of detectors are in hdf5plugin; importing it registers them.
    return "\n".join(
        [
            "from pathlib import Path",
            "",
            "import h5py",
            "import hdf5plugin  # the detectors' compression filters",
            "import matplotlib.pyplot as plt",
            "import numpy as np",
            "",
            f"path = Path.home() / {str(path)!r}",
        ]
    )


def _curve_cells(plot: Plot) -> list[dict[str, Any]]:
    axis = next(
        (one for one in plot.axes if one.has_values and one.h5path and one.dimension == len(plot.shape) - 1), None
    )
    first = ", ".join(["0"] * max(0, len(plot.shape) - 1) + [":"]) if len(plot.shape) > 1 else "()"
    reading = ["with h5py.File(path) as file:", f"    y = file[{plot.signal!r}][{first}]"]
    if axis:
        reading.append(f"    x = file[{axis.h5path!r}][()]")
    has_errors = bool(plot.errors) and axis is not None and len(plot.shape) == 1
    if has_errors:
        reading.append(f"    dy = file[{plot.errors!r}][()]")
    if not axis:
        reading.append("x = np.arange(y.size)")
    draw = ["fig, ax = plt.subplots()"]
    if has_errors:
        draw.append('ax.errorbar(x, y, yerr=dy, fmt=".", elinewidth=0.8)')
    else:
        draw.append("ax.plot(x, y)")
    if axis and axis.scale == "log":
        draw.append('ax.set_xscale("log")')
    if plot.scale == "log":
        draw.append('ax.set_yscale("log")')
    draw += [
        f"ax.set_xlabel({_label(axis.label if axis else 'point', axis.units if axis else '')!r})",
        f"ax.set_ylabel({_label(plot.title, plot.units)!r})",
        f"ax.set_title(path.name + {' ' + plot.signal!r});",
    ]
    return [_words(_about(plot)), _code("\n".join(reading)), _code("\n".join(draw))]


def _image_cells(plot: Plot) -> list[dict[str, Any]]:
    frames = plot.shape[:-2]
    index = ", ".join([*(str(n // 2) for n in frames), "...", ""]).strip(", ") if frames else "()"
    reading = ["with h5py.File(path) as file:", f"    image = file[{plot.signal!r}][{index}]"]
    axes = {one.dimension: one for one in plot.axes if one.has_values and one.h5path}
    rows, columns = axes.get(len(plot.shape) - 2), axes.get(len(plot.shape) - 1)
    both = rows is not None and columns is not None
    if rows is not None and columns is not None:
        reading += [f"    y = file[{rows.h5path!r}][()]", f"    x = file[{columns.h5path!r}][()]"]
    cleaning = [
        "image = np.squeeze(image).astype(float)",
        "if image.max() >= 2**31 - 2:  # detectors mark pixels without a value by the largest number there is",
        "    image[image >= 2**31 - 2] = np.nan",
    ]
    drawing = [
        "low, high = np.nanpercentile(image, [1, 99.8])",
        "fig, ax = plt.subplots()",
    ]
    if both:
        drawing.append(
            'shown = ax.pcolormesh(x, y, image, vmin=low, vmax=high, shading="auto") if x.ndim == y.ndim == 1 '
            'and image.shape == (y.size, x.size) else ax.imshow(image, vmin=low, vmax=high, origin="lower", aspect="auto")'
        )
    else:
        drawing.append("shown = ax.imshow(image, vmin=low, vmax=high)")
    across, up = (
        (_label(columns.label, columns.units), _label(rows.label, rows.units))
        if rows and columns
        else ("column", "row")
    )
    drawing += [
        f"ax.set_xlabel({across!r})",
        f"ax.set_ylabel({up!r})",
        f"ax.set_title(path.name + {' ' + plot.signal!r})",
        f"fig.colorbar(shown, label={_label(plot.title, plot.units)!r});",
    ]
    words = _about(plot)
    if frames:
        words += (
            f" This reads the one in the middle of {' × '.join(map(str, frames))}; another is another number below."
        )
    return [_words(words), _code("\n".join(reading)), _code("\n".join([*cleaning, "", *drawing]))]


def _about(plot: Plot) -> str:
    shape = " × ".join(map(str, plot.shape))
    return f"The file's default plot is `{_in_code(plot.signal)}` ({shape})."


_LISTING = """with h5py.File(path) as file:
    names = []
    file.visititems(lambda name, item: names.append(f"{name}  {item}") if len(names) < 200 else True)
print("\\n".join(names))"""

_WHERE_NEXT = (
    "The *HDF5* panel on the left shows everything that is in the file. Below is the same viewer in the notebook: choose another "
    "data set, or follow a scan that is still being written."
)
_VIEWER = """import panosc_hdf5

panosc_hdf5.view(path)"""


def _label(name: str | None, units: str | None) -> str:
    label = (name or "")[:100]
    return f"{label} ({units[:50]})" if units else label


def _plain(text: str) -> str:
    """A catalogue's words in Markdown: words, and nothing that it could mean besides."""
    one_line = " ".join(text.split())[:1000]
    return _SPECIAL.sub(r"\\\1", "".join(letter for letter in one_line if letter.isprintable()))


def _in_code(text: str) -> str:
    return "".join(letter for letter in text.replace("`", "'") if letter.isprintable())


def _in_address(text: str) -> str:
    return re.sub(r"[\s()<>\[\]`\"']", "", text)


def _words(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def _code(text: str) -> dict[str, Any]:
    lines = text.splitlines(keepends=True)
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": lines}
