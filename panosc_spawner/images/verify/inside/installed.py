"""Print what is installed, as JSON rows of kind, name and version; run inside an image by ``panosc-hub images verify``."""

import json
import subprocess
from importlib import metadata
from pathlib import Path

rows = []
for environment in (Path("/opt/venv"), *sorted(Path("/opt/kernels").glob("*"))):
    folders = [str(path) for path in environment.glob("lib/python3.*/site-packages")]
    rows += [("pypi", package.name.lower(), package.version) for package in metadata.distributions(path=folders)]
listed = subprocess.run(
    ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Package}\t${Version}\t${Section}\n"],
    check=True,
    capture_output=True,
    text=True,
)
for line in listed.stdout.splitlines():
    status, name, version, section = line.split("\t")
    # "empty" stands for a package that the image was told to do without.
    if status.startswith("ii") and section != "empty":
        rows.append(("deb", name.lower(), version))
print(json.dumps(rows))
