"""``state``: what a follower needs to know whether a data set has grown."""

from __future__ import annotations

from typing import Any

import h5py

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import HDF5Error
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.tree import shape_of
from panosc_hdf5.core.wire import Reply


def state(query: Query, context: Context) -> Reply:
    """``ILiveState``. A file that cannot be opened just now is a state, too: its writer may be about to finish it."""
    path, h5path = query.text("path"), query.text("h5path", "/")
    found: dict[str, Any] = {"shape": None, "size": 0, "mtime_ns": 0}
    depends = ()
    try:
        with context.services.files.locate(path, h5path) as located:
            if isinstance(located.object, h5py.Dataset):
                shape = shape_of(located.object.id)
                found["shape"] = None if shape is None else list(shape)
                located.dataset()  # names the files that a virtual data set is made of
            # A data set elsewhere changes when its own file does.
            stamps = (located.file.stamp, *located.depends)
            found["size"] = sum({stamp.path: stamp.size for stamp in stamps}.values())
            found["mtime_ns"] = max(stamp.mtime_ns for stamp in stamps)
            depends = located.depends
    except HDF5Error as error:
        found["error"] = error.as_json()
    return Reply(found, depends=depends, cacheable=False)
