"""What a person is told when a worker has ended, or has not begun."""

from __future__ import annotations

from panosc_hdf5.core.errors import Busy, DeadlineExceeded, HDF5Error


def not_started() -> HDF5Error:
    """A worker cannot be started."""
    return Busy("The reader of HDF5 files cannot be started.", "The server's log says why.", code="no_reader")


def replaced() -> HDF5Error:
    """A worker ended, and the question was asked often enough."""
    return Busy("The reader of HDF5 files was replaced while it worked on this.", "Try again.", code="replaced")


def stuck() -> HDF5Error:
    """A question did not let go of its worker."""
    return DeadlineExceeded(
        "Reading did not end in the time that it may take, and could not be interrupted; the reader was replaced.",
        "The file system may hang. Ask for less, or try again later.",
        code="stuck",
    )


def ended(code: int | None, by_us: bool) -> HDF5Error:
    """A question ended its worker, or was the only one that ran when it ended.

    Args:
        code: exit code, negative for a signal; None if it is not known.
        by_us: whether we ended it since it did not answer.
    """
    if by_us:
        return DeadlineExceeded(
            "The reader did not answer any more while it worked on this, and was replaced.",
            "The file system may hang. Try again later.",
            code="stuck",
        )
    if code == -9:
        return Busy(
            "The reader was ended from outside while it worked on this, probably because memory is short.",
            "Close what needs memory, or ask for less: a slice, a stride or a tile.",
            code="reader_killed",
        )
    return Busy(
        "The reader crashed while it worked on this. The file may be damaged.",
        "Try again; if it happens again, check the file with h5check or h5dump.",
        code="reader_crashed",
        exit_code=code,
    )
