"""Known vulnerabilities of an image: an optional step, for a machine that reaches a scanner's database.

The image's own bill of materials goes to whichever scanner is installed, so what is scanned is what ``verify`` has compared
with what is installed.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from panosc_spawner.errors import ImageError
from panosc_spawner.images import client
from panosc_spawner.images.build import tag_of
from panosc_spawner.images.folder import Folder

_SECONDS = 900
# Each is told the file; its exit code is 1 where something severe has a remedy.
_SCANNERS = {
    "trivy": ("sbom", "--severity", "HIGH,CRITICAL", "--ignore-unfixed", "--exit-code", "1"),
    "grype": ("--fail-on", "high", "--only-fixed"),
}
_INSTALL = (
    "No scanner is installed. Install one of: trivy (https://trivy.dev, package trivy of its apt repository), "
    "grype (https://github.com/anchore/grype); both load a database of vulnerabilities when they run"
)


def scan(folder: Folder) -> tuple[str, bool]:
    """Scan an image.

    Returns:
        What the scanner printed, and whether it found nothing severe that has a remedy.

    Raises:
        ImageError: if no scanner is installed, or it could not do its work.
    """
    name = next((name for name in _SCANNERS if shutil.which(name)), None)
    if name is None:
        raise ImageError(_INSTALL)
    tag = tag_of(folder)
    bill = client.run("run", "--rm", "--network", "none", "--entrypoint", "cat", tag, "/opt/panosc/sbom.cdx.json")
    if bill.code:
        raise ImageError(f"{tag} has no bill of materials: {bill.words}")
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / f"{folder.name}.cdx.json"
        file.write_text(bill.out)
        target = f"sbom:{file}" if name == "grype" else str(file)
        command = [name, *_SCANNERS[name], target]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise ImageError(f"{name} did not end after {_SECONDS} s") from None
    # grype says 2 for "found" since 0.80, 1 before; both say nothing on stdout when they could not work.
    if done.returncode and not done.stdout.strip():
        raise ImageError(
            f"{name} could not scan {tag}; it needs its database, from the network:\n{done.stderr[-2000:]}"
        )
    return done.stdout, done.returncode == 0
