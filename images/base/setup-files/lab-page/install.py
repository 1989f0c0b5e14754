"""Let JupyterLab's page show at once what it opens, while its scripts still load.

Lab's page is empty until several megabytes of scripts have run. This writes a copy of the installed Lab's page template with
``skeleton.html`` at the top of its body, and the setting that makes Lab use it. Run with the Python that has JupyterLab,
again after each change of its version::

    python images/base/setup-files/lab-page/install.py
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Write the template and the setting into this Python's prefix."""
    prefix = Path(sys.prefix)
    page = (prefix / "share/jupyter/lab/static/index.html").read_text("utf-8")
    skeleton = (HERE / "skeleton.html").read_text("utf-8")
    changed, found = re.subn(r"<body[^>]*>", lambda body: body.group() + skeleton, page, count=1)
    if not found:
        sys.exit("JupyterLab's page has no <body>: is this JupyterLab 4?")
    templates = prefix / "share/panosc/lab-page"
    templates.mkdir(parents=True, exist_ok=True)
    (templates / "index.html").write_text(changed, "utf-8")
    settings = prefix / "etc/jupyter"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "jupyter_lab_config.json").write_text(json.dumps({"LabApp": {"templates_dir": str(templates)}}) + "\n")


if __name__ == "__main__":
    main()
