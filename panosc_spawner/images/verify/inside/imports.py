"""Import modules and print their packages' versions; run inside an image by ``panosc-hub images verify``."""

import importlib
import sys
import time
from importlib import metadata

owners = metadata.packages_distributions()
failed = False
for name in sys.argv[1:]:
    started = time.monotonic()
    try:
        module = importlib.import_module(name)
    except Exception as error:
        failed = True
        print(f"{name} does not import: {type(error).__name__}: {error}")
        continue
    packages = owners.get(name.partition(".")[0], [])
    version = metadata.version(packages[0]) if packages else getattr(module, "__version__", "")
    print(f"{name} {version} ({time.monotonic() - started:.1f} s)")
sys.exit(failed)
