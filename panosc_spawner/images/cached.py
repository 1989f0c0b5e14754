"""What Docker's cache saved a build: only a build that did all of its work says what a build takes."""

from __future__ import annotations

import re
from pathlib import Path

# BuildKit's plain progress: "#7 [layer 2/9] RUN …" names a step, perhaps with a platform before the stage, "#7 CACHED" says
# that it was not done.
_STEP = re.compile(r"^#(\d+) \[(?:\S+ )?([\w-]+) +\d+/\d+\] RUN .*?\bsh /steps/[\w-]+/([\w-]+)", re.MULTILINE)
_CACHED = re.compile(r"^#(\d+) CACHED\s*$", re.MULTILINE)
_SHARED_STAGE = "tools"
"""What builds, the same for all images: nobody's own work."""
_WORK_OF_LAYER = {
    "apt-install": "build/apt.txt",
    "build-wheels": "build/build.txt",
    "python-packages": "build/locked.txt",
    "own-packages": "own/*.whl",
    "run-setup": "setup/setup",
}
"""What in the build context gives a step something to do; images without it share the step, and lose nothing by that."""


def cached_work(output: str, context: Path) -> list[str]:
    """The steps of an image's own that had something to do and were taken from Docker's cache.

    Args:
        output: of ``docker build --progress=plain``.
        context: the build context.
    """
    cached = set(_CACHED.findall(output))
    return [
        step
        for number, stage, step in _STEP.findall(output)
        if number in cached and stage != _SHARED_STAGE and _has_work(stage, step, context)
    ]


def _has_work(stage: str, step: str, context: Path) -> bool:
    if stage not in ("layer", "wheels") or step not in _WORK_OF_LAYER:
        return True
    return any(file.stat().st_size for file in context.glob(_WORK_OF_LAYER[step]))
