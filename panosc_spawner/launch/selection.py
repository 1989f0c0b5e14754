"""Reading what a person asked for. Everything here comes from outside: a form, a URL, an API call, or the hub's replay of old options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from panosc_spawner.errors import IdError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.units import parse_size
from panosc_spawner.launch.model import Reason, Refusal, Selection

MAX_PROPOSALS = 20
_BEYOND = 10**15  # more bytes, cores or GPUs than anybody has
_KEYS = ("proposals", "environment", "memory", "cpu", "gpus")


class _BadRequestError(Exception):
    """Words for what is wrong with the request, and what to do."""

    def __init__(self, message: str, remedy: str = "Choose again from your list of proposals.") -> None:
        super().__init__(message)
        self.remedy = remedy


_CORRECT = "Correct it, and start again."


def parse_selection(options: object, site: Site) -> Selection | Refusal:
    """Read a selection from options of unknown origin.

    ``options`` is ``{"proposals": ["esrf/ma1234", …], "environment": "esrf/base", "memory": "4G", "cpu": "2", "gpus": "0"}``;
    each value may also be the list of one string that a form gives, and ``proposals`` text separated by commas.
    """
    try:
        if not isinstance(options, Mapping):
            raise _BadRequestError("The request holds no choices.")
        if unknown := sorted(str(key)[:40] for key in options if key not in _KEYS):
            raise _BadRequestError(f"{unknown[0]!r} cannot be chosen here; only {', '.join(_KEYS)} can.")
        return Selection(
            proposals=_proposals(options.get("proposals"), site),
            environment=_text(options, "environment"),
            memory=_size(_text(options, "memory")),
            cpu=_cores(_text(options, "cpu")),
            gpus=_count(_text(options, "gpus")),
        )
    except _BadRequestError as error:
        return Refusal(Reason.BAD_REQUEST, str(error), error.remedy)


def selection_options(selection: Selection) -> dict[str, object]:
    """The selection as JSON, the inverse of :func:`parse_selection`: what the hub stores and replays."""
    options: dict[str, object] = {"proposals": [str(ref) for ref in selection.proposals]}
    options |= {"environment": selection.environment} if selection.environment else {}
    options |= {"memory": str(selection.memory)} if selection.memory is not None else {}
    options |= {"cpu": f"{selection.cpu:g}"} if selection.cpu is not None else {}
    options |= {"gpus": str(selection.gpus)} if selection.gpus is not None else {}
    return options


def parse_ref(text: object, site: Site) -> ProposalRef:
    """Read ``<facility>/<id>`` into canonical form.

    Raises:
        IdError: if it is not a proposal of one of the site's facilities.
    """
    facility_id, slash, written = text.partition("/") if isinstance(text, str) else ("", "", "")
    facility = site.facilities.get(facility_id)
    if not slash or facility is None or facility.proposals is None:
        known = ", ".join(site.facilities)
        raise IdError(
            f"{str(text)[:60]!r} names no proposal: write <facility>/<id>, with a facility of this hub ({known})"
        )
    return ProposalRef(facility_id, facility.proposals.normalise(written))


def _proposals(value: object, site: Site) -> tuple[ProposalRef, ...]:
    if isinstance(value, str):
        value = [part.strip(" ") for part in value.split(",") if part.strip(" ")]
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, bytes) or not all(isinstance(item, str) for item in value):
        raise _BadRequestError("'proposals' must be a list of <facility>/<id>.")
    if len(value) > MAX_PROPOSALS:
        raise _BadRequestError(f"One server can open {MAX_PROPOSALS} proposals at most; {len(value)} were asked for.")
    try:
        return tuple(dict.fromkeys(parse_ref(item, site) for item in value))
    except IdError as error:
        raise _BadRequestError(f"{error}.") from error


def _text(options: Mapping[object, object], key: str) -> str:
    value = options.get(key, "")
    if isinstance(value, list) and len(value) <= 1:
        value = value[0] if value else ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = f"{value:.12g}" if abs(value) < _BEYOND else "a number beyond all bounds"
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 100 or not value.isprintable():
        raise _BadRequestError(f"'{key}' must be one short text.")
    return value.strip()


def _size(text: str) -> int | None:
    try:
        return parse_size(int(text) if text.isascii() and text.isdigit() else text) if text else None
    except ValueError as error:
        raise _BadRequestError(f"Memory: {error}.", _CORRECT) from error


def _cores(text: str) -> float | None:
    if not text:
        return None
    try:
        cores = float(text)
    except ValueError:
        cores = -1.0
    if not 0.1 <= cores <= 1024:
        raise _BadRequestError("Processor cores must be a number, for example 2.", _CORRECT)
    return cores


def _count(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 3:
        raise _BadRequestError("GPUs must be a whole number.", _CORRECT)
    return int(text)
