"""The hub's configuration: everything a site decides is in its folder, named by PANOSC_SITE."""

import os
import sys
from pathlib import Path

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.hub import configure

try:
    configure(get_config(), Path(os.environ.get("PANOSC_SITE", "/etc/panosc-hub")))
except ConfigurationError as error:
    sys.exit(
        f"The hub does not start: {error}\nTry: panosc-hub check {os.environ.get('PANOSC_SITE', '/etc/panosc-hub')}"
    )
