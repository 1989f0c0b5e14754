"""The temporary build context of an image: the one Dockerfile, the steps, and small files that say what differs.

::

    Dockerfile  steps/          as they are in images/
    build/      apt.txt         Debian's packages            build/   kernel.json …  for a second Python
                locked.txt      wheels by their hashes
                build.txt       source packages by their hashes
    own/        *.whl           made from this repository
    files/  setup/  notebooks/  the image's folder; setup/sources/ has what an operator gives to the build
    about/      image.json      what the image says of itself
                parts.tsv       what own wheels bundle
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from panosc_spawner.errors import ImageError
from panosc_spawner.images import VERSION, locks, parts
from panosc_spawner.images.folder import DESCRIPTION, Folder, Images
from panosc_spawner.images.model import Kernel, Pip

_LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", ".git"}
_TIME = 1_767_225_600
"""Every file's time in a context (2026-01-01), so that the same files make the same layer whoever checked them out."""


def write_layer(target: Path, folder: Folder, images: Images, wheels: Sequence[Path]) -> None:
    """Write the context of an image itself.

    Raises:
        ImageError: if its lock is missing or wrong, or its notebook is.
    """
    _write_common(target, images, folder)
    pip = folder.image.pip
    _write_packages(target / "build", pip, folder.lock, needed=bool(pip.requirements))
    _lines(target / "build/apt.txt", folder.image.apt.packages)
    _lines(target / "build/apt-without.txt", folder.image.apt.without)
    if folder.image.compiler:
        (target / "build/compiler").touch()
    for name in ("own", "files", "setup", "notebooks", "about"):
        (target / name).mkdir()
    for wheel in wheels:
        shutil.copyfile(wheel, target / "own" / wheel.name)
    _copy_tree(folder.path / "files", target / "files")
    if (folder.path / "setup").is_file():
        _copy_tree(folder.path, target / "setup", only={"setup", "setup-files"})
        for name, source in folder.given.items():
            (target / "setup/sources").mkdir(exist_ok=True)
            shutil.copyfile(source.file, target / "setup/sources" / name)
    _copy_tree(folder.path / "notebooks", target / "notebooks" / folder.name)
    (target / "about/image.json").write_text(json.dumps(about(folder), indent=1, ensure_ascii=False), "utf-8")
    _lines(target / "about/parts.tsv", parts.bundled(images.root.parent / wheel for wheel in pip.wheels))
    dockerfile = (target / "Dockerfile").read_text("utf-8")
    (target / "Dockerfile").write_text(dockerfile + environment_lines(folder.image.env), "utf-8")
    _same_everywhere(target)


def write_kernel(target: Path, folder: Folder, images: Images, name: str) -> None:
    """Write the context of one of an image's further Pythons.

    Raises:
        ImageError: if its lock is missing or wrong.
    """
    kernel = folder.image.kernels[name]
    _write_common(target, images, folder)
    _write_packages(target / "build", kernel, folder.kernel_lock(name), needed=True)
    _lines(target / "build/apt-build.txt", kernel.build_apt)
    (target / "build/kernel-name.txt").write_text(name)
    (target / "build/kernel.json").write_text(json.dumps(specification(name, kernel), indent=1) + "\n")
    _same_everywhere(target)


def specification(name: str, kernel: Kernel) -> dict[str, Any]:
    """What Jupyter needs to start a kernel (jupyter-client's kernel.json)."""
    return {
        "argv": [f"/opt/kernels/{name}/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": kernel.title,
        "language": "python",
        "metadata": {"debugger": True},
    }


def about(folder: Folder) -> dict[str, Any]:
    """What an image says of itself in ``/opt/panosc/image.json``; the build adds the versions."""
    image = folder.image
    return {
        "name": folder.name,
        "tag": folder.tag,
        "version": VERSION,
        "from": image.from_,
        **image.model_dump(
            include={"title", "description", "techniques", "formats", "licence", "memory", "notebook", "desktop"}
        ),
        "kernels": {name: kernel.title for name, kernel in image.kernels.items()},
        "sources": {name: {"address": one.address, "sha256": one.sha256} for name, one in folder.given.items()},
        "software": [program.model_dump(exclude_none=True) for program in image.software],
    }


def environment_lines(environment: dict[str, str]) -> str:
    """The image's variables as Dockerfile lines: what stands in a value is only ever the value."""
    lines = []
    for name, value in sorted(environment.items()):
        quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
        lines.append(f'ENV {name}="{quoted}"\n')
    return "".join(lines)


def _write_common(target: Path, images: Images, folder: Folder) -> None:
    for part in ("Dockerfile", "steps"):
        if not (images.root / part).exists():
            raise ImageError(f"{images.root / part} is missing; is this the hub's images folder?")
    shutil.copyfile(images.root / "Dockerfile", target / "Dockerfile")
    _copy_tree(images.root / "steps", target / "steps")
    (target / "build").mkdir()
    if not (folder.path / "notebooks" / folder.image.notebook).is_file() and folder.notebooks():
        raise ImageError(f"{folder.path / DESCRIPTION}: notebook: there is no notebooks/{folder.image.notebook}")


def _write_packages(build: Path, wanted: Pip | Kernel, lock: Path, *, needed: bool) -> None:
    blocks = locks.read_lock(lock) if needed or lock.exists() else {}
    downloaded, built = locks.split(blocks, wanted.build, lock)
    (build / "locked.txt").write_text(downloaded)
    (build / "build.txt").write_text(built)
    _lines(build / "build-apt.txt", wanted.build_apt)
    _lines(build / "keep.txt", wanted.keep)
    _lines(build / "remove.txt", wanted.remove)


def _lines(file: Path, words: Iterable[str]) -> None:
    file.write_text("".join(f"{word}\n" for word in words))


def _copy_tree(source: Path, target: Path, only: set[str] | None = None) -> None:
    """Copy a folder's files, and refuse links: what they point to is not in the image."""
    target.mkdir(parents=True, exist_ok=True)
    if not source.is_dir():
        return
    for path in sorted(source.iterdir()):
        if path.name in _LEFT_OUT or path.suffix == ".pyc" or (only is not None and path.name not in only):
            continue
        if path.is_symlink():
            raise ImageError(f"{path} is a link; only files go into an image")
        if path.is_dir():
            _copy_tree(path, target / path.name)
        else:
            shutil.copyfile(path, target / path.name)
            (target / path.name).chmod(0o755 if os.access(path, os.X_OK) and path.stat().st_mode & 0o100 else 0o644)


def _same_everywhere(target: Path) -> None:
    for path in (target, *target.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
        elif not path.stat().st_mode & 0o100:
            path.chmod(0o644)
        os.utime(path, (_TIME, _TIME))
