"""Server names for proposals: legal for JupyterHub 6, readable, and different for different proposals."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from panosc_spawner.facilities.ids import ProposalRef

MAX_NAME = 30
"""JupyterHub 6: ``^[a-z]``, then lower-case letters, digits and single hyphens, 30 at most, no hyphen at the end."""


def server_name(proposals: tuple[ProposalRef, ...], others: Iterable[ProposalRef] = ()) -> str:
    """``p-<proposal>`` for one, ``p-<first>-and-<n>`` with a short digest for several.

    ``others`` are the person's other proposals: where one of another facility has the same id, the facility is named too, with a digest.
    Two different selections of one person never get one name: whatever cannot be spelled out is told apart by a digest.
    """
    first = proposals[0]
    same_id = any(ref.id.lower() == first.id.lower() and ref != first for ref in others)
    plain = f"p-{first.id}-{first.facility}" if same_id else f"p-{first.id}"
    name = re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9]+", "-", plain.lower())).strip("-")
    if len(proposals) > 1:
        name = f"{name}-and-{len(proposals) - 1}"
    elif not same_id and name == plain and len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256("\n".join(sorted(map(str, proposals))).encode()).hexdigest()[:6]
    return f"{name[: MAX_NAME - 7].rstrip('-')}-{digest}"
