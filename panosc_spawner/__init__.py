"""PaNOSC Hub: a JupyterHub that puts a scientist next to the data of their proposals, and nobody else's.

The package is one direction of steps; each imports only what stands left of it, and ``facilities``::

    identity -> proposals -> launch -> spawners -> pages

``facilities`` holds what a site's TOML files say. ``launch`` is pure: no I/O, no Jupyter, no Docker.
"""

__version__ = "0.1.0"
