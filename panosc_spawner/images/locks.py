"""Lock files: exact versions and hashes of an image's Python packages, without those that its parents have."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from panosc_spawner.errors import ImageError
from panosc_spawner.images.folder import Folder, Images
from panosc_spawner.images.model import PYTHON_OF_SUITE, Kernel, Pip, Suite

SUITE: Suite = "trixie"
"""The Debian release whose Python the images' own environment has."""

# Wheels that these releases' C libraries can load (packages.debian.org/libc6).
_PLATFORM: dict[Suite, str] = {"bookworm": "x86_64-manylinux_2_36", "trixie": "x86_64-manylinux_2_40"}
_ALWAYS_IN_KERNELS = "ipykernel>=6.29"
_BLOCK = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)")
# Only what the main index has gets into a lock: another machine lacks this one's other places.
_OTHER_PLACES = ("UV_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_STRATEGY")


def read_lock(file: Path) -> dict[str, str]:
    """The blocks of a lock file (a package's line and its hashes), by the package's canonical name.

    Raises:
        ImageError: if the file is missing, or holds anything else: options, addresses, a package without a hash.
    """
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        raise ImageError(f"{file} is missing; panosc-hub images lock {_image_of(file)} makes it") from None
    blocks: dict[str, str] = {}
    name = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if "://" in line:
            raise ImageError(f"{file}, line {number} holds an address; a lock must work with everybody's index")
        if found := _BLOCK.match(line):
            name = canonicalize_name(found["name"])
            blocks[name] = ""
        elif not name or not re.fullmatch(r"\s+--hash=sha256:[0-9a-f]{64}(?: \\)?", line):
            raise ImageError(f"{file}, line {number} is not understood: {line.strip()[:60]}")
        blocks[name] += line + "\n"
    for package, block in blocks.items():
        if "--hash=sha256:" not in block:
            raise ImageError(f"{file}: {package} has no hash")
    return blocks


def versions(blocks: Mapping[str, str]) -> dict[str, str]:
    """The version of each package of a lock."""
    return {name: found["version"] for name, block in blocks.items() if (found := _BLOCK.match(block))}


def split(blocks: Mapping[str, str], build: Iterable[str], file: Path) -> tuple[str, str]:
    """A lock as two: what is downloaded as wheels, and what is built from source.

    Raises:
        ImageError: if something is to be built that the lock does not have.
    """
    built = [canonicalize_name(name) for name in build]
    for name in built:
        if name not in blocks:
            raise ImageError(f"{file}: {name} is to be built from source, but is not locked")
    downloaded = "".join(block for name, block in blocks.items() if name not in built)
    return downloaded, "".join(blocks[name] for name in built)


def check_against_parents(folder: Folder, images: Images) -> None:
    """Nothing that a parent has may be installed again.

    Raises:
        ImageError: naming what is in both locks.
    """
    own = read_lock(folder.lock) if folder.lock.exists() or folder.image.pip.requirements else {}
    for parent in images.chain(folder.name)[:-1]:
        twice = sorted(own.keys() & read_lock(parent.lock).keys()) if parent.lock.exists() else []
        if twice:
            again = f"panosc-hub images lock {folder.name}"
            raise ImageError(f"{folder.lock}: {', '.join(twice[:5])} is in {parent.name} already; {again} mends it")


def check_against_description(folder: Folder, images: Images) -> None:
    """What ``image.toml`` and the wheels of this repository require is locked, by the image or by a parent.

    Raises:
        ImageError: naming what is not.
    """
    known: dict[str, str] = {}
    for one in images.chain(folder.name):
        known |= versions(read_lock(one.lock)) if one.lock.exists() else {}
    pip = folder.image.pip
    of_wheels = [word for wheel in pip.wheels for word in _required(images.root.parent / wheel / "pyproject.toml")]
    _refuse(folder, folder.lock, unsatisfied([*pip.requirements, *of_wheels], pip.without, known, SUITE))
    for name, kernel in folder.image.kernels.items():
        locked = versions(read_lock(folder.kernel_lock(name)))
        wanted = [*kernel.requirements, "ipykernel"]
        _refuse(folder, folder.kernel_lock(name), unsatisfied(wanted, kernel.without, locked, kernel.debian))


def unsatisfied(
    requirements: Iterable[str], without: Iterable[str], known: Mapping[str, str], suite: Suite
) -> list[str]:
    """The requirements that locked versions do not fulfil, each with what is locked."""
    left_out = set(map(canonicalize_name, without))
    python = {"python_version": PYTHON_OF_SUITE[suite], "python_full_version": f"{PYTHON_OF_SUITE[suite]}.0"}
    wrong = []
    for requirement in map(Requirement, requirements):
        name = canonicalize_name(requirement.name)
        if name in left_out or (requirement.marker and not requirement.marker.evaluate(python)):
            continue
        version = known.get(name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement} (locked: {version or 'nothing'})")
    return wrong


def _required(project: Path) -> list[str]:
    if not project.is_file():
        return []  # wheels.make says so
    return list(tomllib.loads(project.read_text("utf-8")).get("project", {}).get("dependencies", ()))


def _refuse(folder: Folder, lock: Path, wrong: Sequence[str]) -> None:
    if wrong:
        again = f"panosc-hub images lock {folder.name}"
        raise ImageError(f"{lock} is not of today's image.toml: {'; '.join(wrong[:5])}; {again} mends it")


def lock_image(folder: Folder, images: Images) -> list[Path]:
    """Make an image's locks anew: the newest versions that its ranges and its parents allow.

    Returns:
        The files that were written.

    Raises:
        ImageError: with uv's words, if there are no such versions.
    """
    repository = images.root.parent
    parents = [parent for parent in images.chain(folder.name)[:-1] if parent.lock.exists()]
    made = []
    pip = folder.image.pip
    projects = [repository / wheel / "pyproject.toml" for wheel in pip.wheels]
    if pip.requirements or projects:
        _compile(folder.name, pip, projects, [parent.lock for parent in parents], SUITE, folder.lock, repository)
        made.append(folder.lock)
    for name, kernel in folder.image.kernels.items():
        file = folder.kernel_lock(name)
        file.parent.mkdir(exist_ok=True)
        _compile(folder.name, kernel, (), (), kernel.debian, file, repository)
        made.append(file)
    return made


def _compile(
    name: str,
    wanted: Pip | Kernel,
    projects: Sequence[Path],
    constraints: Sequence[Path],
    suite: Suite,
    lock: Path,
    repository: Path,
) -> None:
    known = [package for file in constraints for package in read_lock(file)]
    without = [canonicalize_name(package) for package in wanted.without]
    requirements = list(wanted.requirements)
    if isinstance(wanted, Kernel) and "ipykernel" not in {canonicalize_name(Requirement(r).name) for r in requirements}:
        requirements.append(_ALWAYS_IN_KERNELS)
    with tempfile.TemporaryDirectory() as scratch:
        source, overrides, made = (Path(scratch) / part for part in ("requirements.in", "overrides.txt", "made.lock"))
        source.write_text("".join(f"{requirement}\n" for requirement in requirements))
        overrides.write_text("".join(f"{package}; sys_platform == 'never'\n" for package in without))
        command = [
            _uv(), "pip", "compile", "--quiet", "--upgrade", "--generate-hashes", "--no-annotate",
            "--no-emit-index-url", "--no-emit-find-links", "--no-header",
            "--python-version", PYTHON_OF_SUITE[suite], "--python-platform", _PLATFORM[suite],
            "--override", str(overrides), "--output-file", str(made),
            *(word for package in (*known, *without) for word in ("--no-emit-package", package)),
            *(word for file in constraints for word in ("--constraint", str(file))),
            str(source), *map(str, projects),
        ]  # fmt: skip
        environment = {key: value for key, value in os.environ.items() if key not in _OTHER_PLACES}
        done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ImageError(f"No versions for {lock} were found:\n{done.stderr.strip()}")
        header = f"# Made by: panosc-hub images lock {name}\n"
        lock.write_text(header + "".join(read_lock(made).values()), "utf-8")


def _uv() -> str:
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise ImageError("uv is needed to make lock files: pip install uv")
    return found


def _image_of(file: Path) -> str:
    return file.parent.parent.name if file.parent.name == "kernels" else file.parent.name
