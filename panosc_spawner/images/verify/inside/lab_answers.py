"""Wait until JupyterLab's page and API answer 200; run inside an image by ``panosc-hub images verify``."""

import sys
import time
import urllib.request

URL = "http://127.0.0.1:8888"
deadline = time.monotonic() + float(sys.argv[1])
while True:
    try:
        with urllib.request.urlopen(f"{URL}/api/status", timeout=2) as answer:
            if answer.status == 200:
                break
    except OSError as error:
        if time.monotonic() > deadline:
            sys.exit(f"no answer: {error}")
        time.sleep(0.05)
with urllib.request.urlopen(f"{URL}/lab", timeout=20) as page:
    if b"jupyter-config-data" not in page.read():
        sys.exit("that is not JupyterLab's page")
