"""Import what requirements.in promises; run inside the image by ``verify``."""

import importlib

PACKAGES = (
    "h5py",
    "hdf5plugin",
    "ipykernel",
    "ipympl",
    "ipywidgets",
    "jupyter_resource_usage",
    "jupyterhub.singleuser",
    "jupyterlab",
    "matplotlib.pyplot",
    "nexusformat.nexus",
    "panosc_hdf5.widget",
    "silx.io",
)

for name in PACKAGES:
    importlib.import_module(name)
