"""Read facilities and sites from TOML: shipped files, the site's own over them, and every mistake in words.

A facility's table is merged from ``common.toml`` and ``<id>.toml`` as shipped, then from the same two names in the
site's ``facilities`` folder. Tables merge and everything else is replaced, but for ``account`` and ``access``, which
are replaced as a whole: an access table that inherits a role it does not name would grant more than it says.

Beneath all of them lie the words of this repository's images, ``environments.toml``: ``[environments.simulation]`` alone
offers that image. Only those that a facility names.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.layers import Layer, Table, blame, merge, read_layer
from panosc_spawner.facilities.model import Facility
from panosc_spawner.facilities.paths import PathMap
from panosc_spawner.facilities.problems import in_words
from panosc_spawner.facilities.site import Site, SiteFile
from panosc_spawner.facilities.templates import TemplateError

_SHIPPED = Path(__file__).parent
_COMMON = "common"
_ENVIRONMENTS = "environments"
_CATALOGUES = "catalogues"


@dataclass(frozen=True)
class Examined:
    """A site's folder, read: the site if it is right, and all that is wrong with it if not."""

    site: Site | None
    errors: tuple[ConfigurationError, ...]


def shipped_facilities() -> tuple[str, ...]:
    """Ids of the facilities whose files come with the package."""
    return _ids_in(_SHIPPED)


def known_facilities(site_folder: Path | None) -> tuple[str, ...]:
    """Ids of the shipped facilities and of those a site adds."""
    own = _ids_in(site_folder / "facilities") if site_folder else ()
    return tuple(sorted({*shipped_facilities(), *own}))


def load_facility(facility_id: str, site_folder: Path | None = None) -> Facility:
    """Read one facility, with the site's overrides. It may still lack what is not public: see :func:`lacking`.

    Raises:
        ConfigurationError: the first mistake, with the file that holds it.
    """
    facility, errors = examine_facility(facility_id, site_folder)
    if facility is None:
        raise errors[0]
    return facility


def load_site(folder: Path) -> Site:
    """Read ``site.toml`` and the facilities that it names.

    Raises:
        ConfigurationError: the first mistake; :func:`examine_site` lists all of them.
    """
    examined = examine_site(folder)
    if examined.site is None:
        raise examined.errors[0]
    return examined.site


def lacking(facility: Facility) -> tuple[str, ...]:
    """The keys of ``to_fill`` that nobody has given yet."""
    return tuple(key for key in facility.to_fill if not _given(facility, key))


def examine_facility(facility_id: str, site_folder: Path | None) -> tuple[Facility | None, list[ConfigurationError]]:
    """Read one facility, and list all that is wrong with it. Without errors there is a facility."""
    known = known_facilities(site_folder)
    if facility_id not in known:
        where = site_folder / "facilities" if site_folder else _SHIPPED
        return None, [ConfigurationError(where, "", f"no facility {facility_id!r}", _nearest(facility_id, known))]
    layers: list[Layer] = []
    errors: list[ConfigurationError] = []
    folders = [_SHIPPED] + ([site_folder / "facilities"] if site_folder else [])
    for file in (folder / f"{name}.toml" for folder in folders for name in (_COMMON, facility_id)):
        try:
            layers += [read_layer(file)] if file.is_file() else []
        except ConfigurationError as error:
            errors.append(error)
    if errors:
        return None, errors
    layers.insert(0, _words_of_images(merge(layers)))
    data = _without_unused_areas(merge(layers), [layer for layer in layers if layer.file.stem != _COMMON])
    if data.setdefault("id", facility_id) != facility_id:
        return None, [ConfigurationError(blame(layers, ("id",)), "id", "differs from the file's name", "leave it out")]
    try:
        facility = Facility.model_validate(data)
    except ValidationError as error:
        return None, in_words(error, Facility, data, layers)
    if lacking(facility):
        return facility, []
    errors = list(_impossible_paths(facility, layers))
    return (None if errors else facility), errors


def examine_site(folder: Path) -> Examined:
    """Read a site's folder, and list all that is wrong with it."""
    from panosc_spawner.facilities.consistency import disagreements

    file = folder / "site.toml"
    try:
        layer = read_layer(file)
    except ConfigurationError as error:
        return Examined(None, (error,))
    try:
        config = SiteFile.model_validate(layer.data)
    except ValidationError as error:
        return Examined(None, tuple(in_words(error, SiteFile, layer.data, [layer])))
    config = _from_folder(config, folder)
    facilities: dict[str, Facility] = {}
    errors: list[ConfigurationError] = []
    for facility_id in dict.fromkeys(config.hub.facilities):
        facility, wrong = _served_facility(facility_id, folder)
        errors += wrong
        if facility:
            facilities[facility_id] = facility
    site = Site(folder=folder, config=config, facilities=facilities)
    errors += disagreements(site, file)
    return Examined(None if errors else site, tuple(errors))


def _served_facility(facility_id: str, folder: Path) -> tuple[Facility | None, list[ConfigurationError]]:
    """A facility that a site serves: known, complete, and with something to offer."""
    known = known_facilities(folder)
    if facility_id not in known:
        return None, [
            ConfigurationError(
                folder / "site.toml",
                "hub.facilities",
                f"no facility {facility_id!r}",
                _nearest(facility_id, known) + f"; or add facilities/{facility_id}.toml",
            )
        ]
    facility, errors = examine_facility(facility_id, folder)
    if facility is None:
        return None, errors
    own = folder / "facilities" / f"{facility_id}.toml"
    if keys := lacking(facility):
        reason = "is not public and must be given by the operator"
        return facility, [ConfigurationError(own, key, reason, f"write it in facilities/{own.name}") for key in keys]
    file = own if own.is_file() else _SHIPPED / own.name
    return facility, [ConfigurationError(file, *words) for words in _unusable(facility)]


def _unusable(facility: Facility) -> Iterable[tuple[str, str, str]]:
    """What a facility needs before it can be served: (key, reason, suggestion)."""
    if facility.proposals is None:
        yield "proposals", "is missing, so no proposal id could be read", "write [proposals] with written and examples"
    if facility.paths is None:
        yield "paths", "is missing, so no data could be found", 'write [paths] with root = "/…"'
    if not facility.areas:
        yield "areas", "no area has a path, so there would be no data", 'write [areas.raw] with path = "{proposal}/…"'
    if not facility.environments:
        yield (
            "environments",
            "is missing, so nothing could be started",
            "write [environments.<id>] with title and image",
        )
    elif not facility.default_environment:
        yield "default_environment", "is missing", f"one of {', '.join(facility.environments)}"


def _impossible_paths(facility: Facility, layers: list[Layer]) -> Iterable[ConfigurationError]:
    if facility.proposals is None or facility.paths is None:
        return
    try:
        PathMap(facility)
    except TemplateError as error:
        file = blame(layers, tuple(error.key.split(".")))
        yield ConfigurationError(file, error.key, error.reason, error.suggestion)


def _without_unused_areas(data: Table, own: list[Layer]) -> Table:
    """An area that only ``common.toml`` knows does not exist at this facility."""
    areas = data.get("areas")
    if isinstance(areas, dict):
        data["areas"] = {name: rule for name, rule in areas.items() if any(layer.has(("areas", name)) for layer in own)}
    return data


def _words_of_images(merged: Table) -> Layer:
    """What ``environments.toml`` says of the environments that a facility's files name."""
    shipped = read_layer(_SHIPPED / f"{_ENVIRONMENTS}.toml")
    named = merged.get("environments")
    known = shipped.data["environments"]
    words = {key: known[key] for key in known if isinstance(named, dict) and key in named}
    return Layer(shipped.file, {"environments": words} if words else {})


def _given(facility: Facility, key: str) -> bool:
    value: object = facility
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else getattr(value, part, None)
    return value not in (None, "", (), {})


def _from_folder(config: SiteFile, folder: Path) -> SiteFile:
    """The same with relative paths made relative to the site's folder, not to where the hub was started."""
    folder = folder.absolute()
    secret = config.login.client_secret_file
    sources = tuple(
        source.model_copy(update={"path": folder / source.path}) if source.type == "file" else source
        for source in config.sources
    )
    return config.model_copy(
        update={
            "hub": config.hub.model_copy(update={"state_dir": folder / config.hub.state_dir}),
            "login": config.login.model_copy(update={"client_secret_file": folder / secret if secret else None}),
            "sources": sources,
        }
    )


def _ids_in(folder: Path) -> tuple[str, ...]:
    return tuple(
        sorted(file.stem for file in folder.glob("*.toml") if file.stem not in (_COMMON, _ENVIRONMENTS, _CATALOGUES))
    )


def _nearest(word: str, known: Iterable[str]) -> str:
    known = tuple(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
