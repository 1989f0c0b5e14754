"""Facility images: one folder and one declarative file each, one builder, each proven by a real run.

::

    images/<name>/image.toml      what is in it              (model.py, folder.py)
    images/<name>/*.lock          exact versions and hashes  (locks.py)
    images/Dockerfile             how each is made           (context.py, build.py)
    images/<name>/verify/*.py     what proves that it works  (verify/)
"""

VERSION = "2026.11"
"""The tag of all images of this release."""
