"""The docs' page of each image, and their table, made from the images' own descriptions."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from pathlib import Path

from panosc_spawner.errors import ImageError
from panosc_spawner.facilities.units import format_size
from panosc_spawner.images import record
from panosc_spawner.images.environment import OWN_KERNEL, locked_versions, version_of
from panosc_spawner.images.folder import Folder, Images
from panosc_spawner.images.locks import SUITE
from panosc_spawner.images.model import PYTHON_OF_SUITE, Software

_INTRODUCTION = """\
# Environments

What a scientist finds installed, one page an image. The pages are made from `images/<name>/image.toml` and its locks by
`panosc-hub images docs`; how images are built, proven, changed and added is in [docs/images.md](../images.md).
"""


def pages(images: Images) -> dict[str, str]:
    """All pages, by their file's name in ``docs/environments``.

    Raises:
        ImageError: if a lock is missing.
    """
    made = {f"{name}.md": page(folder, images) for name, folder in images.folders.items()}
    return made | {"README.md": overview(images, record.read(images.root))}


def write(images: Images, directory: Path) -> list[Path]:
    """Write all pages; those of images that are gone are removed. Returns what was written."""
    wanted = pages(images)
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (directory / name).write_text(text, "utf-8")
    return [directory / name for name in wanted]


def overview(images: Images, measured: Mapping[str, record.Measured]) -> str:
    """The table of all images, with what was measured last."""
    rows = [
        [
            f"[{folder.image.title}]({name}.md)",
            f"`{name}`",
            folder.image.from_ or "Debian",
            *_measured(folder, measured),
        ]
        for name, folder in images.folders.items()
    ]
    dates = sorted({one.date for one in measured.values()})
    when = f"Measured on {dates[-1]}, on two cores with packages in the cache. " if dates else ""
    return "\n".join(
        [
            _INTRODUCTION,
            *_table(["environment", "image", "on", "size", "adds", "at most", "build", "verify"], rows),
            "",
            f"{when}A build's time is that of the last one that did every step, with nothing from Docker's cache. Sizes as "
            "`docker images` counts them, in millions of bytes. A layer's size holds its parent's, which is stored and "
            "pulled once.",
            "",
        ]
    )


def page(folder: Folder, images: Images) -> str:
    """One image's page."""
    image = folder.image
    lines = [f"# {image.title}", "", image.description, ""]
    facts = [
        [
            "image",
            f"`{folder.tag}`, on " + (f"[{image.from_}]({image.from_}.md)" if image.from_ else f"`{image.debian}`"),
        ],
        ["techniques", ", ".join(image.techniques)],
        ["formats", ", ".join(image.formats)],
        ["kernels", ", ".join(_kernels(folder))],
        [
            "desktop",
            "yes: *Desktop* beside the server on *My proposals*, and in JupyterLab's launcher" if image.desktop else "",
        ],
        ["memory", f"at least {format_size(image.memory)}"],
        ["licence", image.licence],
    ]
    lines += [*_table(["", ""], [fact for fact in facts if fact[1]]), ""]
    lines += _software(folder, images)
    lines += _notebooks(folder)
    lines += _proofs(folder)
    lines += _without_a_hub(folder)
    return "\n".join(lines)


def _software(folder: Folder, images: Images) -> list[str]:
    known = locked_versions(folder, images)
    rows = [
        [f"[{program.name}]({program.url})", _version(program, known), program.purpose, program.licence, _cite(program)]
        for program in folder.image.software
    ]
    parents = [one for one in reversed(images.chain(folder.name)[:-1]) if one.image.software]
    under = ", ".join(f"[{parent.image.title}]({parent.name}.md)" for parent in parents)
    lines = ["## Software", "", *_table(["program", "version", "what for", "licence", "cite"], rows), ""]
    if under:
        lines += [f"And all that is in {under}.", ""]
    return [*lines, "Every package with its version, in the image: `/opt/panosc/sbom.cdx.json` (CycloneDX).", ""]


def _version(program: Software, known: Mapping[str, str]) -> str:
    return version_of(program, known) or f"Debian {SUITE}'s"


def _cite(program: Software) -> str:
    cite = program.cite or ""
    return f"[{cite.partition('doi.org/')[2] or 'how'}]({cite})" if cite.startswith("http") else cite


def _kernels(folder: Folder) -> list[str]:
    own = f"{OWN_KERNEL} ({PYTHON_OF_SUITE[SUITE]})"
    return [own, *(kernel.title for kernel in folder.image.kernels.values())]


def _notebooks(folder: Folder) -> list[str]:
    notebooks = folder.notebooks()
    if not notebooks:
        return []
    notebooks.sort(key=lambda path: (path.name != folder.image.notebook, path.name))
    return [
        "## Notebooks",
        "",
        f"They lie in `~/examples/{folder.name}`; the server opens on the first.",
        "",
        *(f"- `{path.name}`: {_heading(path)}" for path in notebooks),
        "",
    ]


def _heading(notebook: Path) -> str:
    """A notebook's title: its first heading."""
    try:
        cells = json.loads(notebook.read_text("utf-8"))["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    except (ValueError, KeyError, TypeError) as error:
        raise ImageError(f"{notebook} is not a notebook") from error
    for line in "\n".join(texts).splitlines():
        if line.startswith("# "):
            return line[2:].strip()
    raise ImageError(f"{notebook} has no heading (a line that begins with '# ')")


def _proofs(folder: Folder) -> list[str]:
    proofs = folder.proofs()
    if not proofs:
        return []
    return [
        "## What proves it",
        "",
        f"`panosc-hub images verify {folder.name}` runs the notebooks and these, in a container as hard as the hub's:",
        "",
        *(f"- `verify/{path.name}`: {_first_line(path)}" for path in proofs),
        "",
    ]


def _first_line(script: Path) -> str:
    try:
        words = ast.get_docstring(ast.parse(script.read_text("utf-8")))
    except SyntaxError as error:
        raise ImageError(f"{script}: {error}") from error
    if not words:
        raise ImageError(f"{script} does not say what it proves: its docstring is missing")
    return words.split("\n\n")[0].replace("\n", " ").replace("``", "`")


def _without_a_hub(folder: Folder) -> list[str]:
    return [
        "## Without a hub",
        "",
        "```sh",
        f"docker run --rm -p 127.0.0.1:8888:8888 {folder.tag} jupyter lab --ip=0.0.0.0",
        "```",
        "",
    ]


def _measured(folder: Folder, measured: Mapping[str, record.Measured]) -> list[str]:
    image = folder.image
    limit = f"{image.size / 1e6:.0f} MB" if image.size else f"+ {(image.adds or 0) / 1e6:.0f} MB"
    one = measured.get(folder.name)
    if one is None:
        return ["", "", limit, "", ""]
    adds = f"{one.adds} MB" if image.from_ else ""
    return [f"{one.size} MB", adds, limit, _seconds(one.build), _seconds(one.verify)]


def _seconds(measured: int | None) -> str:
    return "" if measured is None else f"{measured} s"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'|'.join(' --- ' for _ in head)}|",
        *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows),
    ]
