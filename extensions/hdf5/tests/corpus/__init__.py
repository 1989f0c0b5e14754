"""Files of every kind that HDF5 and beamlines know, made quickly and the same each time.

``python -m corpus DIRECTORY [NAME ...]`` makes them; tests and benchmarks call :func:`make`. A recipe's files lie in a folder
of their own and are made once: a second call finds them.
"""

from __future__ import annotations

from corpus.catalogue import Made, Recipe, make, names, recipes
from corpus.real import real_files

__all__ = ["Made", "Recipe", "make", "names", "real_files", "recipes"]
