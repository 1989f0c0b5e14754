"""The choose page's model: what was asked for by URL or form, which environments there are, what may be given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from panosc_spawner.facilities.model import Environment
from panosc_spawner.facilities.site import Limits
from panosc_spawner.facilities.units import format_size
from panosc_spawner.launch.model import LaunchPlan, Selection
from panosc_spawner.spawners.images_here import Here

GIGABYTE = 1024**3
_ANY = Here()


@dataclass(frozen=True)
class Card:
    """An environment to choose. ``value`` is empty for the suggested one, so that it follows a change of proposals."""

    value: str
    key: str
    title: str
    description: str
    facts: tuple[tuple[str, str], ...]
    suggested: bool
    checked: bool
    desktop: bool = False
    brought_by: str = ""
    """The command that an administrator gives to have it here, where that would bring it."""


@dataclass(frozen=True)
class Offer:
    """The environments of a selection: those that can start on this machine, and those that cannot."""

    cards: tuple[Card, ...] = ()
    absent: tuple[Card, ...] = ()
    missed: str = ""
    """Title of the one that would have been suggested if it were here."""
    unknown: str = ""
    """Why it is not known now which are here."""

    @property
    def chosen(self) -> Card | None:
        """The one that would start."""
        return next((card for card in self.cards if card.checked), None)


def offer(offered: Mapping[str, Environment], suggested: str, chosen: str, best: str = "", here: Here = _ANY) -> Offer:
    """The environments, the suggested one first.

    Args:
        offered: all that the facilities have, by ``<facility>/<id>``.
        suggested: the one that starts if nothing is chosen.
        chosen: what was asked for; need not be one of them.
        best: the one that would be suggested if all were on this machine.
        here: which of them are.
    """
    present = {key: environment for key, environment in offered.items() if environment.image not in here.absent}
    chosen = chosen if chosen in present else suggested
    ordered = sorted(offered, key=lambda key: (key != suggested, offered[key].title.lower(), key))
    cards = [_card(key, offered[key], suggested, chosen, here) for key in ordered]
    return Offer(
        tuple(card for card in cards if card.key in present),
        tuple(card for card in cards if card.key not in present),
        offered[best].title if best in offered and best not in present else "",
        here.unknown,
    )


def _card(key: str, environment: Environment, suggested: str, chosen: str, here: Here) -> Card:
    absent = environment.image in here.absent
    return Card(
        value="" if key == suggested else key,
        key=key,
        title=environment.title,
        description=environment.description,
        facts=_facts(environment, here),
        suggested=key == suggested and not absent,
        checked=key == chosen and not absent,
        desktop=environment.desktop,
        brought_by=environment.brought_by if absent and here.containers else "",
    )


def _facts(environment: Environment, here: Here) -> tuple[tuple[str, str], ...]:
    size = _as_docker(here.sizes.get(environment.image, 0)) or (
        format_size(environment.size) if environment.size else ""
    )
    facts = (
        ("Deprecated", (environment.status_note or "it will go away") if environment.status == "deprecated" else ""),
        ("Packages", ", ".join(here.packages.get(environment.image) or environment.packages)),
        ("Techniques", ", ".join(environment.techniques)),
        ("Formats", ", ".join(environment.formats)),
        ("Kernels", ", ".join(environment.kernels)),
        ("Version", environment.version),
        ("Size", size),
        ("Memory needed", format_size(environment.minimum_memory)),
        ("GPUs needed", str(environment.gpus) if environment.gpus else ""),
        ("Licence", environment.licence),
    )
    return tuple((name, value) for name, value in facts if value)


def _as_docker(size: int) -> str:
    """An image's size as Docker prints it, in powers of 1000."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" if size else ""


@dataclass(frozen=True)
class ResourceForm:
    """The resource fields as they are shown: text, so that what was typed is kept, even if it was refused."""

    memory: str  # in GB
    cpu: str
    gpus: str
    most: Limits

    @property
    def most_memory(self) -> str:
        """The most memory, in GB."""
        return gigabytes(self.most.memory)


def resource_form(
    given: Mapping[str, Sequence[str]], asked: Selection | None, default: Limits, most: Limits
) -> ResourceForm:
    """The fields: what was typed, else what was asked for, else what a server gets unasked."""
    memory = asked.memory if asked and asked.memory is not None else default.memory
    return ResourceForm(
        memory=_last(given, "memory_gb") or gigabytes(memory),
        cpu=_last(given, "cpu") or f"{default.cpu:g}",
        gpus=_last(given, "gpus") or str(default.gpus),
        most=most,
    )


def cut_short(plan: LaunchPlan, now: datetime) -> bool:
    """Whether a server would end before its usual time, with the access to one of its proposals."""
    return plan.ends_at < now + plan.limits.lifetime - timedelta(minutes=1)


def options_from(given: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Options for :func:`parse_selection` from a URL's or a form's arguments; what else is there does not count.

    Fields that still hold what the page put there (``shown_*``) were not asked for: the defaults may be others tomorrow.
    """
    proposals = [part.strip() for value in given.get("proposals", ()) for part in value.split(",") if part.strip()]
    options: dict[str, object] = {"proposals": list(dict.fromkeys(proposals))}
    memory, typed = _last(given, "memory"), _last(given, "memory_gb")
    if typed and typed != _last(given, "shown_memory_gb"):
        number = typed.replace(",", ".")  # as many people write it
        memory = f"{number}G" if number.replace(".", "", 1).isdigit() else number
    wanted = {"environment": _last(given, "environment"), "memory": memory}
    for key in ("cpu", "gpus"):
        value = _last(given, key)
        wanted[key] = "" if value == _last(given, f"shown_{key}") else value
    return options | {key: value for key, value in wanted.items() if value}


def gigabytes(size: int) -> str:
    """A size as the number of GB in the field."""
    return f"{size / GIGABYTE:.2f}".rstrip("0").rstrip(".")


def _last(given: Mapping[str, Sequence[str]], key: str) -> str:
    values = given.get(key) or ("",)
    return values[-1].strip()
