"""Addresses of the API: any case, and PIDs with slashes, which clients write as ``%2F``."""

from __future__ import annotations

from urllib.parse import quote, unquote

MODELS = {"datasets": "Datasets", "documents": "Documents", "instruments": "Instruments"}


def plain_path(raw: bytes) -> str:
    """What stands behind ``/api`` in a request's address, with names in our case and each PID as one component.

    ``/services/portal/api/datasets/10.5%2Fx/Files`` → ``/Datasets/10.5%2Fx/files``. Decoded paths do not tell the slash of a PID
    from one between components; so this reads what was sent.
    """
    parts = raw.split(b"?")[0].decode("ascii", "replace").split("/")
    names = [unquote(part).lower() for part in parts]
    place = names.index("api") + 1 if "api" in names else 0
    while place < len(names) and not names[place]:  # api//Datasets
        place += 1
    if place >= len(names):
        return "/"
    first, rest = MODELS.get(names[place], names[place]), parts[place + 1 :]
    if rest and not rest[-1]:
        rest = rest[:-1]  # Datasets/
    shown = [first]
    for number, part in enumerate(rest):
        name = unquote(part).lower()
        known = name in {"count", "files"} and (number > 0 or (name == "count" and len(rest) == 1))
        shown.append(
            name if known else quote(unquote(part, errors="surrogateescape"), safe="", errors="surrogateescape")
        )
    return "/" + "/".join(shown)
