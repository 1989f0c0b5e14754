"""HDF5's own failures, in words."""

from __future__ import annotations

import errno
import re

from panosc_hdf5.core.errors import Busy, Forbidden, HDF5Error, NotFound, TooLarge, Unreadable, Unsupported

_FILTER = re.compile(r"required filter '([^']*)' is not registered")
_NAMES = re.compile(r"(name|filename) = '[^']*'")
_NOISE = re.compile(r"^[\"'(]*(?:\[Errno \d+\] )?(?:Unable to |Can't )?(?:synchronously )?")
_DAMAGED = (
    "checksum",
    "bad object header",
    "wrong object header",
    "object header",
    "signature",
    "wrong b-tree",
    "addr overflow",
    "bad heap",
    "message type",
    "can't decode",
    "unable to decode",
    "can't deserialize",
    "bad version",
    "bad byte number",
)


def raised_by_h5py(error: BaseException) -> bool:
    """Whether h5py itself raised this: then it says something about the file, whatever class it has."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and "h5py" in at.tb_frame.f_code.co_filename.split("/")


def in_words(error: BaseException, what: str) -> HDF5Error:
    """An exception of h5py, HDF5 or the system as one that a person can read.

    Args:
        error: what was raised; an ``HDF5Error`` comes back as it is.
        what: what was being done, as a subject: ``/entry/data`` or ``The file``.
    """
    if isinstance(error, HDF5Error):
        return error
    if isinstance(error, MemoryError):
        return TooLarge(f"{what} does not fit into the memory that a reader may use.", "Ask for a slice or a tile.")
    if isinstance(error, OSError) and (found := _of_the_system(error, what)):
        return found
    return _of_hdf5(str(error), what)


def _of_the_system(error: OSError, what: str) -> HDF5Error | None:
    if isinstance(error, FileNotFoundError) or error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
        return NotFound(f"{what} is not there (any more).", "Look whether it was moved or deleted.", code="vanished")
    if isinstance(error, PermissionError) or error.errno in (errno.EACCES, errno.EPERM):
        return Forbidden(f"{what} may not be read by you.", "Ask its owner for permission to read.", code="permission")
    if isinstance(error, IsADirectoryError) or error.errno == errno.EISDIR:
        return Unsupported(f"{what} is a directory.", code="directory")
    if error.errno in (errno.EAGAIN, errno.EBUSY) or "unable to lock file" in str(error):
        return Busy(f"{what} is locked by a program that writes it.", "Try again when it has finished.", code="locked")
    if error.errno == errno.EIO:
        return Unreadable(f"The file system failed to read {what}.", "Tell whoever runs the storage.", code="io")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return Busy(f"{what} cannot be opened: too many files are open.", "Try again.", code="too_many_files")
    return None


def _of_hdf5(text: str, what: str) -> HDF5Error:
    lower = text.lower()
    if match := _FILTER.search(text):
        return missing_filter(what, match.group(1))
    if "can't open directory" in lower or "not registered" in lower or "filter is not available" in lower:
        return missing_filter(what, "")
    if "filter returned failure" in lower or "data pipeline read failed" in lower:
        return Unreadable(
            f"{what} cannot be decoded: a chunk is damaged, or its filter failed.",
            "Other slices may still be readable.",
            code="damaged_chunk",
        )
    if "external raw data file" in lower:
        return Unreadable(
            f"The file that holds the data of {what} is not there.",
            "Look whether it was moved; it belongs beside the HDF5 file.",
            code="missing_source",
        )
    if "truncated file" in lower:
        return Unreadable(
            f"{what} is truncated: it is shorter than its own header says.",
            "It was not copied completely, or its writer died. Copy it again.",
            code="truncated",
        )
    if "superblock version" in lower:
        return Unsupported(
            f"{what} has an HDF5 format that is newer than this server's HDF5 library knows, or its header is damaged.",
            "Ask for a newer HDF5 on this server.",
            code="newer_format",
        )
    if "already open for write" in lower:
        return Busy(
            f"{what} is marked as open for writing, and its writer does not let others read meanwhile (no SWMR mode).",
            "Wait until it is closed. If its writer died, 'h5clear -s' takes the mark away.",
            code="open_for_writing",
        )
    if "file signature not found" in lower:
        return Unsupported(f"{what} is not an HDF5 file.", code="not_hdf5")
    if "read data" in lower and ("doesn't exist" in lower or "component not found" in lower):
        return Unreadable(
            f"A source of {what} has no data set of the name that is asked for.",
            "Look whether its source files were moved or written anew.",
            code="missing_source",
        )
    if "doesn't exist" in lower or "component not found" in lower:
        return NotFound(f"{what} is not there.")
    if any(word in lower for word in _DAMAGED):
        return Unreadable(f"{what} is damaged: {said(text)}.", "Look for another copy of the file.", code="damaged")
    return Unreadable(f"{what} cannot be read: {said(text) or 'HDF5 does not say why'}.")


def missing_filter(what: str, name: str) -> Unreadable:
    """The words for a filter that this server does not have."""
    named = f" {name!r}" if name else ""
    return Unreadable(
        f"{what} is compressed by the filter{named}, which this server does not have.",
        "Ask for the filter's HDF5 plugin on this server.",
        code="missing_filter",
    )


def said(text: str) -> str:
    """What HDF5 says, without its habitual prefix and without paths of this machine."""
    text = _NAMES.sub(r"\1 = …", _NOISE.sub("", text.strip().splitlines()[0] if text.strip() else ""))
    inner = text[text.find("(") + 1 : text.rfind(")")] if "(" in text and text.rstrip("\"'").endswith(")") else text
    return re.sub(r"(?<![\w.])/[^\s',)]*/", "…/", inner).strip("\"'. ")[:300]
