"""Start JupyterLab and ask it for its page and status; run inside the image by ``verify``."""

import subprocess
import sys
import time
import urllib.request

URL = "http://127.0.0.1:8888"
COMMAND = ("jupyter", "lab", "--no-browser", "--ip=127.0.0.1", "--port=8888", "--ServerApp.token=")

server = subprocess.Popen(COMMAND, stdout=sys.stderr, stderr=sys.stderr)
try:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{URL}/api/status", timeout=2).close()
            break
        except OSError:
            assert server.poll() is None, "JupyterLab ended"
            time.sleep(0.1)
    with urllib.request.urlopen(f"{URL}/lab", timeout=10) as page:
        assert b"jupyter-config-data" in page.read(), "that is not JupyterLab's page"
finally:
    server.terminate()
    server.wait(20)
