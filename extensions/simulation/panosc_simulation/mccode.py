"""Where McStas and McXtrace are installed. Nothing is configured: no file in site-packages is written, no environment needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .errors import InstallationError

# -march=native is left out on purpose: the cache lies in a home that machines with other processors see, too.
FLAGS = ("-O2", "-fno-math-errno", "-DNDEBUG", "-D_POSIX_SOURCE", "-std=c99")
_DEPENDENCIES = {"GSLFLAGS": "-lgsl -lgslcblas", "XRLFLAGS": "-lxrl", "NEXUSFLAGS": "-DUSE_NEXUS -lNeXus"}
_TITLES = {"mcstas": "McStas", "mcxtrace": "McXtrace"}
_PARTICLES = {"mcstas": "neutron", "mcxtrace": "x-ray"}


@dataclass(frozen=True)
class McCode:
    """One installed code: its generator, its components, the compiler."""

    flavour: str  # mcstas or mcxtrace
    generator: Path
    resources: Path  # components, and data/ with scattering tables
    version: str
    compiler: Path
    own: bool = False  # whether the resources are a folder of the person's, who may change what is in it

    @property
    def title(self) -> str:
        """How people write it."""
        return _TITLES[self.flavour]

    @property
    def probe(self) -> str:
        """What it traces, as NXsource has it: neutron or x-ray."""
        return _PARTICLES[self.flavour]

    def environment(self) -> dict[str, str]:
        """The environment that the generator and compiled instruments run in."""
        return {**os.environ, self.flavour.upper(): str(self.resources), "LC_ALL": "C"}

    def link_flags(self, code: str) -> list[str]:
        """The flags that components ask for (their DEPENDENCY lines), which the generator leaves in the code's first lines."""
        asked = " ".join(line.split("=", 1)[1] for line in code.splitlines()[:20] if "CFLAGS=" in line)
        for name, flags in _DEPENDENCIES.items():
            asked = asked.replace(f"@{name}@", flags)
        asked = asked.replace("@MCCODE_LIB@", str(self.resources))
        asked = re.sub(r"ENV\(([^()]*)\)", lambda found: os.environ.get(found[1].strip(), ""), asked)
        asked = re.sub(r"GETPATH\(([^()]*)\)", lambda found: str(self.resources / found[1].strip()), asked)
        return re.sub(r"CMD\(([^()]*)\)", lambda found: _output(found[1]), asked).split()


def _output(command: str) -> str:
    """What a component's own command prints, e.g. ``ncrystal-config --show libdir``."""
    try:
        done = subprocess.run(command.split(), capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise InstallationError(
            f"A component of this instrument needs the command “{command}”, which did not work: {error}"
        ) from error
    return done.stdout.strip()


def find(flavour: str = "mcstas") -> McCode:
    """The installation on this machine.

    Args:
        flavour: ``mcstas`` (neutrons) or ``mcxtrace`` (x-rays).

    Raises:
        InstallationError: what is missing, and where it comes from.
    """
    return _find(flavour, os.environ.get(flavour.upper()), os.environ.get("PATH"))


@cache
def _find(flavour: str, told: str | None, path: str | None) -> McCode:
    title = _TITLES[flavour]
    generator = shutil.which(flavour, path=path)
    compiler = shutil.which("gcc", path=path) or shutil.which("cc", path=path)
    if generator is None:
        raise InstallationError(
            f"{title} is not in this environment. Start the environment “Simulation”, or install Debian's package {flavour}."
        )
    if compiler is None:
        raise InstallationError(
            f"{title} instruments need a C compiler, and there is none here (Debian: gcc, libc6-dev)."
        )
    share = Path(generator).resolve().parent.parent / "share" / flavour / "resources"
    resources = Path(told) if told else share
    if not resources.is_dir():
        raise InstallationError(f"{title}'s components are not at {resources} (Debian: {flavour}-comps).")
    own = resources.resolve() != share.resolve()
    return McCode(flavour, Path(generator), resources, _version(Path(generator)), Path(compiler), own)


def _version(generator: Path) -> str:
    """Debian's package version, which has the patch number (``mcstas --version`` says 3.5 for 3.5.19); else what the program says."""
    dpkg = shutil.which("dpkg-query")
    if dpkg:
        asked = subprocess.run(
            [dpkg, "-W", "-f", "${Version}", generator.name], capture_output=True, text=True, check=False
        )
        found = re.match(r"(?:[^+]*\+)?(\d+(?:\.\d+)+)", asked.stdout)
        if asked.returncode == 0 and found:
            return found[1]
    said = subprocess.run([str(generator), "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"version ([\d.]+)", said)
    return number[1] if number else "unknown"
