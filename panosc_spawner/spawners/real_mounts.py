"""From a plan's mounts to directories of this machine: links followed, and nothing else than what was granted at their end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePath

from panosc_spawner.errors import PathError
from panosc_spawner.facilities.model import Area
from panosc_spawner.facilities.paths import MissingDirectory, PathMap, resolve_beneath
from panosc_spawner.facilities.portal_url import portal_url
from panosc_spawner.facilities.site import Site
from panosc_spawner.launch.model import LaunchPlan, Mount, Reason, Refusal
from panosc_spawner.spawners.refused import Refused


def real_mounts(plan: LaunchPlan, site: Site) -> dict[Mount, Path]:
    """The real directory of each mount, with symbolic links resolved, so that what is checked is what is mounted.

    A directory that is missing refuses the start if the facility requires it, and is left out otherwise.

    Raises:
        Refused: if a directory is missing or unreadable, leaves its facility's root, is another proposal's, or is one that
            may only be read and would be mounted to be written.
    """
    return real_directories(plan.mounts, site)


def real_directories(mounts: Iterable[Mount], site: Site) -> dict[Mount, Path]:
    """See :func:`real_mounts`."""
    found: dict[Mount, Path] = {}
    maps: dict[str, PathMap] = {}
    for mount in mounts:
        try:
            facility = mount.proposal.facility
            if facility not in maps and facility in site.facilities:
                maps[facility] = PathMap(site.facilities[facility])
            found[mount] = resolve_beneath(Path(mount.source), Path(mount.root), mount.proposal.id)
            _refuse_what_belongs_elsewhere(mount, found[mount], maps.get(facility))
        except MissingDirectory:
            if mount.required:
                raise Refused(_missing(mount, site)) from None
        except PathError as error:
            raise Refused(_bad_path(mount, str(error))) from error
    _refuse_to_write_what_is_read_only(found)
    return found


def staged_directories(mounts: Iterable[Mount], site: Site) -> dict[Mount, Path]:
    """Where data are, or would be: as :func:`real_directories`, but one that is missing is given where it will be made.

    Raises:
        Refused: as :func:`real_directories`, but for a directory that is missing; also if its facility's root is missing.
    """
    found: dict[Mount, Path] = {}
    for mount in mounts:
        found.update(real_directories([replace(mount, required=False)], site) or {mount: _to_come(mount, site)})
    return found


def _to_come(mount: Mount, site: Site) -> Path:
    root = Path(mount.root)
    try:
        real_root = root.resolve(strict=True)
        real = Path(mount.source).resolve()  # follows the links of what is there
    except (OSError, RuntimeError):
        raise Refused(_missing(replace(mount, source=mount.root), site)) from None
    if not real.is_relative_to(real_root) or real == real_root:
        raise Refused(_bad_path(mount, f"{mount.source} leads out of {mount.root}"))
    try:
        _refuse_what_belongs_elsewhere(mount, real, PathMap(site.facilities[mount.proposal.facility]))
    except PathError as error:
        raise Refused(_bad_path(mount, str(error))) from error
    return real


def _refuse_what_belongs_elsewhere(mount: Mount, real: Path, paths: PathMap | None) -> None:
    """Refuse a link to a directory that, by the facility's own convention, is another proposal's, or raw data to write.

    Raises:
        PathError: naming the directory.
    """
    below = real.relative_to(Path(mount.root).resolve())
    located = paths.locate(mount.root / below) if paths else None
    if located is None:
        return
    if located.ref != mount.proposal:
        raise PathError(f"{mount.source} leads to {str(real)!r}, which is another proposal's, so it is not used")
    if located.area is Area.RAW and not mount.read_only:
        raise PathError(f"{mount.source} leads to {str(real)!r}, which is raw data, so it is not used")


def _refuse_to_write_what_is_read_only(found: Mapping[Mount, Path]) -> None:
    """Refuse a link by which one mount could write in what another may only read.

    Where the facility's templates themselves lay one in the other, its operator has decided so.
    """
    for mount, real in found.items():
        for other, protected in found.items():
            if (
                not mount.read_only
                and other.read_only
                and _overlap(real, protected)
                and not _overlap(mount.source, other.source)
            ):
                reason = f"{mount.source} leads to {str(real)!r}, where the {other.area} data may only be read"
                raise Refused(_bad_path(mount, reason))


def _overlap(one: PurePath, other: PurePath) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _bad_path(mount: Mount, reason: str) -> Refusal:
    return Refusal(
        Reason.BAD_PATH,
        f"The {mount.area} data of {mount.proposal.id} cannot be used: {reason}.",
        "Tell the people who run this hub.",
    )


def _missing(mount: Mount, site: Site) -> Refusal:
    portal, ref = site.config.portal, mount.proposal
    for remote in portal.staging.remotes if portal.enabled else ():
        if remote.facility == ref.facility and mount.area in remote.areas:
            return Refusal(
                Reason.MISSING_DIRECTORY,
                f"The {mount.area} data of {ref.id} are at {remote.title}, and not here yet.",
                f"Bring them here first: {portal_url(site, f'stage/{ref}')}",
            )
    return Refusal(
        Reason.MISSING_DIRECTORY,
        f"The {mount.area} data of {mount.proposal.id} are not there: {mount.source} does not exist on this system.",
        "If the experiment is new, its directory may not have been made yet. If it is old, the data may have been moved "
        "to tape: ask the facility to bring them back.",
    )
