"""A real JupyterHub on loopback with our pages, a log-in by name alone, and servers that are a few lines of Python.

For tests of what people see, without an identity provider and without Docker. What stands here between the hub and the
pages is real: the site, the file source, the book of grants, the plan.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

CONFIG = Path(__file__).with_name("hub_config.py")
ROOT = Path(__file__).parents[2]

SITE = """
[hub]
id = "pages"
title = "PaNOSC Hub"
facilities = ["esrf", "ill"]
spawner = "local"
public_url = "http://127.0.0.1:{port}"
state_dir = "state"
support = "hub@facility.example"
demo = {demo}

[login]
community = "test"
issuer = "https://login.example"
client_id = "hub"

[home]
source = "{folder}/homes/{{user}}"

[account]
kind = "shared"

[access]
source_timeout = "20s"

[[sources]]
type = "file"
name = "User office list"
path = "proposals.toml"

[resources]
ask = "4G"
[resources.default]
memory = "16G"
cpu = 4
servers = 4
[resources.overrides.pi]
groups = ["role:pi"]
gpus = 1
"""

COMMUNITY = """
id = "test"
title = "Test community"
description = "The hub learns your name, e-mail address, identifier and groups."
issuer = "https://login.example"
"""

ESRF = """
[paths]
root = "{folder}/data/esrf"
[areas.scratch]
path = "{{proposal}}/{{instrument}}/{{date}}/NOBACKUP"
required = false
access = {{ default = "rw" }}
[environments.base]
title = "HDF5 and NeXus"
description = "Open, plot and reduce HDF5 and NeXus data in notebooks."
image = "panosc/base:2026.11"
version = "2026.11"
packages = ["h5py", "hdf5plugin", "silx", "matplotlib", "ipywidgets"]
licence = "BSD-3-Clause"
size = "2.1G"
[environments.diffraction]
title = "Diffraction and powder"
description = "Azimuthal integration, indexing and refinement."
image = "panosc/diffraction:2026.11"
version = "2026.11"
packages = ["pyFAI", "silx", "fabio", "GSAS-II"]
techniques = ["x-ray powder diffraction", "total scattering"]
instruments = ["ID22"]
licence = "MIT, GPL-3.0 and others"
size = "4.8G"
minimum_memory = "2G"
[environments.tomography]
title = "Tomography"
description = "Reconstruction of full-field tomography on a GPU."
image = "panosc/tomo:2026.11"
version = "2026.11"
packages = ["nabu", "tomwer", "silx"]
techniques = ["x-ray tomography"]
licence = "MIT"
size = "9.3G"
minimum_memory = "8G"
gpus = 1
"""

ILL = """
[paths]
root = "{folder}/data/ill"
"""

TITLES = (
    "Pigments of the Isenheim altarpiece",
    "In-situ crystallisation of perovskite films under humidity",
    "Magnetic order in frustrated honeycomb cobaltates",
    "Strain in additively manufactured Ti-6Al-4V during cyclic load",
    "Étude des boues rouges: speciation of vanadium",
    "<script>document.title='broken'</script> & <b>bold</b> \"quotes\"",
    "Water dynamics in clay interlayers",
)


@dataclass
class HubUnderTest:
    """A running hub. ``proposals`` is the text of its proposal file."""

    folder: Path
    proposals: str = ""
    demo: bool = False
    isolation_warning: str = ""
    port: int = field(default_factory=lambda: free_port())
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> HubUnderTest:
        self._write()
        environment = os.environ | {
            "PANOSC_TEST_SITE": str(self.folder / "site"),
            "PANOSC_TEST_PORT": str(self.port),
            "PANOSC_TEST_HUB_PORT": str(free_port()),
            "PANOSC_TEST_API_PORT": str(free_port()),
            "PANOSC_TEST_WARNING": self.isolation_warning,
            "PANOSC_TEST_PROXY": proxy_command() or "",
            "JUPYTERHUB_CRYPT_KEY": "ab" * 32,
            "PYTHONPATH": str(ROOT),
        }
        self.log = (self.folder / "hub.log").open("wb")
        command = [sys.executable, "-m", "jupyterhub", "-f", str(CONFIG)]
        self.process = subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=self.log, stderr=self.log, start_new_session=True
        )
        deadline = time.monotonic() + 180
        while not self._healthy():
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.__exit__()
                raise RuntimeError((self.folder / "hub.log").read_text()[-4000:])
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.log.close()

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/hub/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _write(self) -> None:
        site = self.folder / "site"
        for part in ("communities", "facilities", "state"):
            (site / part).mkdir(parents=True, exist_ok=True)
        text = SITE.format(port=self.port, folder=self.folder, demo=json.dumps(self.demo))
        (site / "site.toml").write_text(text)
        (site / "communities" / "test.toml").write_text(COMMUNITY)
        (site / "facilities" / "esrf.toml").write_text(ESRF.format(folder=self.folder))
        (site / "facilities" / "ill.toml").write_text(ILL.format(folder=self.folder))
        (site / "proposals.toml").write_text(self.proposals or proposals())
        for number in range(1001, 1010):
            for area in ("RAW_DATA", "PROCESSED_DATA", "SCRIPTS"):
                (self.folder / f"data/esrf/ma{number}/id22/20260304/{area}").mkdir(parents=True, exist_ok=True)
        for area in ("rawdata", "processed"):
            (self.folder / f"data/ill/261/d22/exp_8-04-923/{area}").mkdir(parents=True, exist_ok=True)


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def proxy_command() -> str | None:
    """The hub's proxy: from the environment, or on the path."""
    return os.environ.get("PANOSC_PROXY_COMMAND") or shutil.which("configurable-http-proxy")


def proposals() -> str:
    """Seven proposals at ESRF and one at ILL for ada (ma1002 starts slowly, ma1003 fails, ma1008 has no data); one ended."""
    entries = [
        entry(
            "esrf", f"MA-{1001 + n}", title, "ID22", "2026-03-04", "2026-03-08", [("ada", "pi" if n < 2 else "member")]
        )
        for n, title in enumerate(TITLES)
    ]
    entries.append(
        entry("esrf", "HG-77", "Rust on a Roman nail", "BM23", "2025-11-01", "2025-11-03", [("ada", "member")])
    )
    last = entry(
        "ill",
        "8-04-923",
        "Micelles under shear",
        "D22",
        "2026-05-30",
        "2026-06-02",
        [("ada", "local-contact")],
        cycle="261",
    )
    ended = entry(
        "esrf", "BLC-10", "An old test", "ID22", "2020-01-01", "2020-01-02", [("ada", "member", "2021-01-01")]
    )
    other = entry("esrf", "MA-1009", "Somebody else's", "ID22", "2026-03-04", "2026-03-05", [("bea", "pi")])
    return "\n".join([*entries, last, ended, other])


def many_proposals(number: int) -> str:
    """A person with a career: ``number`` proposals over twenty years at two facilities."""
    made = []
    for n in range(number):
        year, title = 2006 + n % 21, f"{TITLES[n % 5]}, part {n // 5 + 1}"
        if n % 4:
            day = f"{year}-{n % 12 + 1:02d}-{n % 27 + 1:02d}"
            made.append(entry("esrf", f"MA-{n + 10000}", title, f"ID{n % 30 + 1:02d}", day, day, [("cleo", "member")]))
        else:
            day = f"{year}-{n % 12 + 1:02d}-{n % 27 + 1:02d}"
            made.append(
                entry(
                    "ill",
                    f"TEST-{n + 10000}",
                    title,
                    f"D{n % 20 + 1}",
                    day,
                    day,
                    [("cleo", "local-contact")],
                    cycle="261",
                )
            )
    return "\n".join(made)


def entry(
    facility: str,
    proposal: str,
    title: str,
    instrument: str,
    start: str,
    end: str,
    team: list[tuple[str, ...]],
    cycle: str = "",
) -> str:
    """One ``[[proposal]]`` of the file; ``team`` holds (person, role) or (person, role, last day)."""
    text = f"[[proposal]]\nfacility = {json.dumps(facility)}\nproposal = {json.dumps(proposal)}\n"
    text += f"title = {json.dumps(title)}\n"
    text += f"[[proposal.visit]]\ninstrument = {json.dumps(instrument)}\nstart = {start}\nend = {end}\n"
    text += f'cycle = "{cycle}"\n' if cycle else ""
    for person, role, *ends in team:
        text += f'[[proposal.team]]\nperson = "{person}@login.example"\nrole = "{role}"\n'
        text += f"ends = {ends[0]}\n" if ends else ""
    return text
