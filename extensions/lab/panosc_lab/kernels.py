"""Kernels of a person's own environments: a venv or a conda environment in the home shows up in JupyterLab by itself.

Looked for in ``~/envs``, ``~/.virtualenvs``, ``~/.conda/envs`` and the places where conda, mamba and pixi put theirs. An
environment counts once it has a kernel: ``pip install ipykernel`` in it is enough. Whatever lies in a home can be broken, huge
or on slow storage, so what is looked at is bounded, and what cannot be read is left out.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel

from panosc_lab.reading import read_regular

PLACES = (
    "envs",
    ".virtualenvs",
    ".conda/envs",
    "miniforge3/envs",
    "mambaforge/envs",
    "miniconda3/envs",
    "anaconda3/envs",
    "micromamba/envs",
    ".local/share/mamba/envs",
)
"""Beneath the home; each directory in them may be an environment."""

MOST_ENTRIES = 200
"""Entries of one place that are looked at, the first by name of those that come first."""

MOST_KERNELS = 100
_MOST_LISTED = 2000
_SPEC_BYTES = 64 * 1024
_PREFIX = "own-"
_FRESH = 2.0


class OwnKernelSpecManager(KernelSpecManager):
    """Jupyter's own kernels, then those of the person's environments."""

    _looked_at = float("-inf")
    _found: Mapping[str, Path] = MappingProxyType({})

    def find_kernel_specs(self) -> dict[str, str]:
        """Directories of kernel specifications, by name."""
        found: dict[str, str] = super().find_kernel_specs()
        for name, directory in self._own().items():
            if not self.allowed_kernelspecs or name in self.allowed_kernelspecs:
                found.setdefault(name, str(directory))
        return found

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """One specification.

        Raises:
            NoSuchKernel: if there is none of this name that can be read.
        """
        if not kernel_name.startswith(_PREFIX) or (directory := self._own().get(kernel_name)) is None:
            return super().get_kernel_spec(kernel_name)
        spec = own_spec(directory)
        if spec is None:
            raise NoSuchKernel(kernel_name)
        return spec

    def _own(self) -> Mapping[str, Path]:
        """As it was two seconds ago at most: one look at the list of kernels asks for each of them."""
        if time.monotonic() - self._looked_at > _FRESH:
            self._found, self._looked_at = own_kernels(Path.home()), time.monotonic()
        return self._found


def own_kernels(home: Path) -> dict[str, Path]:
    """Directories of the kernels in the home's environments, by kernel name. Never raises for what is there."""
    found: dict[str, Path] = {}
    for place in PLACES:
        for environment in _entries(home / place):
            for directory in _entries(environment / "share/jupyter/kernels"):
                name = _free_name(environment.name, directory.name, found)
                if len(found) < MOST_KERNELS and own_spec(directory) is not None:
                    found[name] = directory
    return found


def own_spec(directory: Path) -> KernelSpec | None:
    """A kernel's specification, with its environment's own programs first; None if it is none."""
    data = _read_json(directory / "kernel.json")
    argv = data.get("argv")
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) and "\0" not in word for word in argv):
        return None
    environment = directory.parents[3]
    program = environment / "bin" / argv[0]
    if not argv[0].startswith("/") and os.access(program, os.X_OK):
        argv = [str(program), *argv[1:]]
    elif not os.access(argv[0], os.X_OK):
        return None
    given = data.get("env")
    variables = (
        {key: value for key, value in given.items() if isinstance(value, str)} if isinstance(given, Mapping) else {}
    )
    own = {"PATH": f"{environment / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    own["CONDA_PREFIX" if (environment / "conda-meta").is_dir() else "VIRTUAL_ENV"] = str(environment)
    return KernelSpec(
        argv=argv,
        env=own | variables,
        display_name=f"{_short(data.get('display_name'), directory.name)} · {environment.name[:60]}",
        language=_short(data.get("language"), "python"),
        interrupt_mode="message" if data.get("interrupt_mode") == "message" else "signal",
        metadata=data["metadata"] if isinstance(data.get("metadata"), dict) else {},
        resource_dir=str(directory),
    )


def _free_name(environment: str, kernel: str, taken: Mapping[str, Path]) -> str:
    """A name that Jupyter accepts, and that no other environment has."""
    name = _PREFIX + re.sub(r"[^a-z0-9._-]+", "-", f"{environment}-{kernel}".lower(), flags=re.ASCII)[:100]
    numbered = (f"{name}-{number}" for number in range(2, MOST_KERNELS + 2))
    return name if name not in taken else next(other for other in numbered if other not in taken)


def _entries(directory: Path) -> Iterator[Path]:
    """What lies in a directory, bounded and in order; nothing, if it is none, or leads round in a circle."""
    try:
        with os.scandir(directory) as found:
            names = sorted(entry.name for entry in islice(found, _MOST_LISTED) if not entry.name.startswith("."))
    except OSError:
        return
    yield from (directory / name for name in names[:MOST_ENTRIES])


def _read_json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_regular(file, _SPEC_BYTES) or b"{}")
        # Half a character, or a number that is none, would be read here, and break the whole list when that is sent.
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _short(value: object, otherwise: str) -> str:
    text = value if isinstance(value, str) and value.strip() else otherwise
    return "".join(sign for sign in text if sign.isprintable())[:80]
