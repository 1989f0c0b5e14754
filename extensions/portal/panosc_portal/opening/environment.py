"""Which environment a data set is opened in: one made for its technique and instrument, that can start here."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from panosc_portal.catalogues.model import Dataset
from panosc_spawner.facilities.model import Environment, Facility
from panosc_spawner.panet import beneath, ids_named


def choose_environment(facility: Facility, dataset: Dataset | None, absent: Collection[str]) -> str:
    """The environment's key, or an empty text: then the hub chooses, as for any other start.

    Of those made for the instrument, one made for the technique, too, comes first; then those made for the instrument; then
    those for the technique. A general one is the hub's to choose.

    Args:
        facility: whose data set it is.
        dataset: what the catalogues know of it; None where only a path is known.
        absent: images that are not on this machine.
    """
    if dataset is None:
        return ""
    techniques = technique_ids(dataset)
    instrument = dataset.instrument.name.lower() if dataset.instrument else ""
    best, rank = "", 0
    for key, environment in facility.environments.items():
        if environment.status != "current" or environment.image in absent or environment.desktop:
            continue
        points = 2 * _for_instrument(environment, instrument) + _for_technique(environment, techniques)
        if points >= rank and points > 0:  # a site's own are named after the shipped ones, and come before them
            best, rank = key, points
    return best


def technique_ids(dataset: Dataset) -> frozenset[str]:
    """PaNET's ids of a data set's techniques, by address or by name."""
    found: set[str] = set()
    for technique in dataset.techniques:
        found |= ids_named(technique.panet) or ids_named(technique.name)
    return frozenset(found)


def _for_instrument(environment: Environment, instrument: str) -> bool:
    return bool(instrument) and instrument in (name.lower() for name in environment.instruments)


def _for_technique(environment: Environment, wanted: Iterable[str]) -> bool:
    """Whether one of its techniques is the data set's, or a kind of it, or what that is a kind of."""
    asked = frozenset(wanted)
    for label in environment.techniques:
        made_for = ids_named(label)
        if asked & beneath(made_for) or any(made_for & beneath({one}) for one in asked):
            return True
    return False
