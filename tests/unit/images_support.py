"""Small images folders for tests."""

from __future__ import annotations

import json
from pathlib import Path

from panosc_spawner.images.folder import Images, read_images

REPOSITORY = Path(__file__).resolve().parents[2]
BASE = """
title = "Under all"
description = "What all have."
debian = "debian:trixie-slim"
size = "720 MB"
licence = "MIT"
notebook = "start-here.ipynb"
"""
LAYER = """
title = "A layer"
description = "What some have."
from = "base"
adds = "10 MB"
licence = "MIT"
notebook = "start-here.ipynb"
"""
HASH = "--hash=sha256:" + "0" * 64


def lock_text(**packages: str) -> str:
    """A lock with these versions."""
    return "".join(f"{name.replace('_', '-')}=={version} \\\n    {HASH}\n" for name, version in packages.items())


def write_image(root: Path, name: str, text: str, *, proofs: bool = True) -> Path:
    """An image's folder."""
    folder = root / name
    (folder / "notebooks").mkdir(parents=True)
    (folder / "verify").mkdir()
    (folder / "image.toml").write_text(text)
    if proofs:
        cells = [{"cell_type": "markdown", "metadata": {}, "source": ["# Begin here\n"]}]
        notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (folder / "notebooks" / "start-here.ipynb").write_text(json.dumps(notebook))
        (folder / "verify" / "proof.py").write_text('"""It is so."""\n')
    return folder


def small_root(directory: Path, **layers: str) -> Images:
    """A folder with a base and further images, with the repository's own Dockerfile and steps."""
    root = directory / "images"
    root.mkdir()
    for name in ("Dockerfile", "steps"):
        (root / name).symlink_to(REPOSITORY / "images" / name)
    write_image(root, "base", BASE)
    for name, text in layers.items():
        write_image(root, name.replace("_", "-"), text)
    return read_images(root)
