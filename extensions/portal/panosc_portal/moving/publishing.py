"""The last step of a staging: give the data to whom they are meant for, and put them where servers mount them.

Everything here blocks: for a thread. It is written down so that it is found again after a kill between any two lines.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from panosc_portal.moving.journal import Journal
from panosc_portal.moving.place import Ownership, Place, flush, identity
from panosc_portal.moving.runner import TryAgainError
from panosc_portal.moving.settle import settle
from panosc_portal.moving.staged import Receipt, Receipts


def publish(receipts: Receipts, receipt: Receipt, place: Place, journal: Journal, owner: Ownership) -> Receipt:
    """Put what was verified in its place.

    Args:
        receipts: where it is written down.
        receipt: what of it is known before: whose, and from where.
        place: where the data are, and where they go.
        journal: of the directory; it is removed in the end.
        owner: whose they will be.

    Raises:
        PlaceError: in words.
        TryAgainError: if some of it is not there any more.
        OSError: if it cannot be written.
    """
    files, size = journal.totals()
    with place.opened() as data:
        if settle(data, journal, owner) != files:
            raise TryAgainError("Files went away after they had come.")
        flush(data)
        journal.say("inode", identity(data))
    earlier = receipts.get(place.key)
    if earlier and earlier.published and place.occupied():
        journal.say("replace", "yes")
    whole = replace(receipt, files=files, size=size, untold=journal.untold(), manifest=_manifest(journal))
    receipts.write(whole)
    place.publish(replace=journal.said("replace") == "yes")
    return _finish(receipts, whole, place, journal)


def ended_meanwhile(receipts: Receipts, receipt: Receipt, place: Place, file: Path) -> Receipt | None:
    """The portal was killed in the last step: either the data are where they belong, or not yet (None).

    Args:
        receipts: where it is written down.
        receipt: as it was written before the rename.
        place: where the data go.
        file: the journal's.
    """
    journal = Journal(file)
    try:
        if journal.said("inode") and journal.said("inode") == place.identity():
            return _finish(receipts, receipt, place, journal)
        return None
    finally:
        journal.close()


def _finish(receipts: Receipts, receipt: Receipt, place: Place, journal: Journal) -> Receipt:
    """After the rename: what it replaced goes out of the way, and it is written down that all is here."""
    if journal.said("replace") == "yes":
        place.retire()
    done = replace(receipt, published=True)
    receipts.write(done)
    journal.remove()
    with suppress(OSError):  # not empty where something was replaced
        place.partial.parent.rmdir()
    return done


def _manifest(journal: Journal) -> str:
    """SHA-256 of the list that ``sha256sum`` would write, ordered by name."""
    whole = hashlib.sha256()
    for path, checksum in journal.sums():
        whole.update(f"{checksum}  {path}\n".encode())
    return whole.hexdigest()
