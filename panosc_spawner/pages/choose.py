"""The choose page's model: what was asked for by URL or form, which environments there are, what may be given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from panosc_spawner.facilities.model import Environment
from panosc_spawner.facilities.site import Limits
from panosc_spawner.facilities.units import format_size
from panosc_spawner.launch.model import LaunchPlan, Selection

GIGABYTE = 1024**3


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


def cards(offered: Mapping[str, Environment], suggested: str, chosen: str) -> list[Card]:
    """The environments, the suggested one first."""
    chosen = chosen if chosen in offered else suggested
    ordered = sorted(offered, key=lambda key: (key != suggested, offered[key].title.lower(), key))
    return [
        Card(
            value="" if key == suggested else key,
            key=key,
            title=offered[key].title,
            description=offered[key].description,
            facts=_facts(offered[key]),
            suggested=key == suggested,
            checked=key == chosen,
        )
        for key in ordered
    ]


def _facts(environment: Environment) -> tuple[tuple[str, str], ...]:
    facts = (
        ("Packages", ", ".join(environment.packages)),
        ("Techniques", ", ".join(environment.techniques)),
        ("Kernels", ", ".join(environment.kernels)),
        ("Version", environment.version),
        ("Size", format_size(environment.size) if environment.size else ""),
        ("Memory needed", format_size(environment.minimum_memory)),
        ("GPUs needed", str(environment.gpus) if environment.gpus else ""),
        ("Licence", environment.licence),
    )
    return tuple((name, value) for name, value in facts if value)


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
