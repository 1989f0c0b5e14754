"""Where a proposal's data lie, both ways: proposal -> directory, and path -> proposal.

What a template renders is checked by reading it back, and what is read back is checked by the facility's id rule:
a path either belongs to exactly one proposal, or to none. Nothing here touches a disk but :func:`resolve_beneath`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from panosc_spawner.errors import IdError, PathError
from panosc_spawner.facilities.ids import IdRule, ProposalRef
from panosc_spawner.facilities.model import Access, Area, Facility, Paths
from panosc_spawner.facilities.templates import FieldRules, Template, TemplateError

__all__ = ["Located", "MissingDirectory", "PathMap", "TemplateError", "resolve_beneath"]

_MAX_PATH = 4096  # PATH_MAX: what is longer is no path


class MissingDirectory(PathError):
    """A directory that the facility's convention says should be there is not."""


@dataclass(frozen=True)
class Located:
    """What a path belongs to: the proposal, the area, the template's fields, and what is left below the area."""

    ref: ProposalRef
    area: Area
    fields: Mapping[str, str]
    rest: PurePosixPath


class PathMap:
    """A facility's path templates, compiled.

    Args:
        facility: one with id rule and paths.

    Attributes:
        examples: each area's directory for the file's own examples.

    Raises:
        TemplateError: naming the key of the facility's file that cannot work.
    """

    def __init__(self, facility: Facility) -> None:
        if facility.proposals is None or facility.paths is None:
            key = "proposals" if facility.proposals is None else "paths"
            raise TemplateError(key, f"{facility.short_name} has no [{key}] table, so no path can be rendered")
        self.facility = facility.id
        self._name = facility.short_name
        self._ids: IdRule = facility.proposals
        self._paths: Paths = facility.paths
        self._rules = FieldRules(facility.paths)
        self._areas = {
            area: Template(f"areas.{area}.path", rule.path, self._rules) for area, rule in facility.areas.items()
        }
        self._roots = {area: rule.root or facility.paths.root for area, rule in facility.areas.items()}
        self.examples: Mapping[Area, PurePosixPath] = self._try_with_sample(facility)

    def root(self, area: Area) -> PurePosixPath:
        """The directory beneath which the area's directories must resolve.

        Raises:
            PathError: if the facility has no such area.
        """
        self._template(area)
        return self._roots[area]

    def render(self, ref: ProposalRef, area: Area, fields: Mapping[str, str]) -> PurePosixPath:
        """The directory of a proposal's area; ``fields`` are a visit's values (``Visit.path_fields``).

        Raises:
            PathError: if the id is not canonical, a field is missing or has a value that it may not have, or the
                directory would not lead back to this proposal.
        """
        template = self._template(area)
        if ref.facility != self.facility or not self._is_canonical(ref.id):
            raise PathError(f"{str(ref)[:80]!r} is not a proposal of {self._name} in its canonical form")
        values = self._values(template.fields, fields, ref.id)
        path = self._roots[area] / template.render({"proposal": ref.id, **values})
        found = self.locate(path)
        if found is None or found != Located(ref, area, values, PurePosixPath()):
            raise PathError(f"{path} does not lead back to {ref}, so it is not used")
        return path

    def locate(self, path: str | PurePosixPath) -> Located | None:
        """What a path at or below an area's directory belongs to; None if it is nobody's, or not only one's.

        The text is input, not truth: this says what the path names, :func:`resolve_beneath` where it leads.
        """
        parts = _plain_parts(path)
        if parts is None:
            return None
        found = [hit for area in self._areas if (hit := self._locate_in(area, parts))]
        if not found:
            return None
        deepest = min(len(hit.rest.parts) for hit in found)
        best = [hit for hit in found if len(hit.rest.parts) == deepest]
        return best[0] if len(best) == 1 else None

    def label(self, fields: Mapping[str, str]) -> str:
        """A visit's directory name as the person sees it: ``id31-20230915``. Empty where data are mounted by proposal.

        Raises:
            PathError: if a field is missing or has a value that it may not have.
        """
        if self._paths.mount_by == "proposal":
            return ""
        names = dict.fromkeys(name for template in self._areas.values() for name in template.fields)
        ordered = sorted(names, key=lambda name: name != "instrument")
        values = self._values(tuple(ordered), fields, "this visit")
        return "-".join(values.values()).lower()

    def _template(self, area: Area) -> Template:
        if area not in self._areas:
            raise PathError(f"{self._name} has no {area} area")
        return self._areas[area]

    def _values(self, names: tuple[str, ...], fields: Mapping[str, str], whose: str) -> dict[str, str]:
        missing = [name for name in names if not fields.get(name)]
        if missing:
            raise PathError(
                f"The path of {whose} at {self._name} needs {' and '.join(missing)}; "
                f"the source that lists the proposal must give {'it' if len(missing) == 1 else 'them'}"
            )
        return {name: self._rules.accept(name, fields[name]) for name in names}

    def _is_canonical(self, text: str) -> bool:
        try:
            return self._ids.normalise(text) == text
        except IdError:
            return False

    def _locate_in(self, area: Area, parts: tuple[str, ...]) -> Located | None:
        root = self._roots[area].parts
        template = self._areas[area]
        below = parts[len(root) :]
        if parts[: len(root)] != root or len(below) < template.depth:
            return None
        values = template.read(below[: template.depth])
        if values is None or not self._is_canonical(proposal := values.pop("proposal")):
            return None
        return Located(ProposalRef(self.facility, proposal), area, values, PurePosixPath(*below[template.depth :]))

    def _try_with_sample(self, facility: Facility) -> dict[Area, PurePosixPath]:
        """Render each area with the file's own examples, so that a template fails here and not at somebody's start."""
        ref = ProposalRef(self.facility, self._ids.normalise(self._ids.examples[0]))
        samples = {name: self._rules.sample(name) for template in self._areas.values() for name in template.fields}
        rendered: dict[Area, PurePosixPath] = {}
        for area, template in self._areas.items():
            try:
                rendered[area] = self.render(ref, area, samples)
            except PathError as error:
                raise TemplateError(template.key, f"does not work for the file's own examples: {error}") from error
        raw = rendered.get(Area.RAW)
        for area, path in rendered.items():
            writable = Access.WRITE in facility.areas[area].access.values()
            if raw and area is not Area.RAW and writable and raw.is_relative_to(path):
                raise TemplateError(
                    self._areas[area].key, "holds the raw data, and somebody may write in it", "raw data stay read-only"
                )
        return rendered


def _plain_parts(path: str | PurePosixPath) -> tuple[str, ...] | None:
    """The components of an absolute path without detours, else None."""
    text = str(path)
    if not text.startswith("/") or text.startswith("//") or len(text) > _MAX_PATH or "\0" in text:
        return None
    parts = PurePosixPath(text).parts
    return None if ".." in parts else parts


def resolve_beneath(source: PurePosixPath | Path, root: PurePosixPath | Path, proposal: str = "") -> Path:
    """The real directory of ``source``, all symbolic links followed, if it is beneath the real ``root``.

    A link that somebody with write access put in the tree may lead anywhere: what is used is where it leads.
    The result holds no link when it was made; use the result, not ``source``.

    Args:
        source: the directory, as the template renders it.
        root: it must be beneath this.
        proposal: canonical id. The directories that are named by it must still be in the real path, or a link could
            lead to another proposal's data beneath the same root.

    Raises:
        MissingDirectory: if it, or the root, is not there.
        PathError: if it leads outside of the root or to another proposal, is not a directory, or may not be looked at.
    """
    try:
        real_root = Path(root).resolve(strict=True)
        real = Path(source).resolve(strict=True)
        if not real.is_relative_to(real_root):
            raise PathError(f"{source} leads to {real}, outside of {root}, so it is not used")
        if _leads_astray(Path(source), Path(root), real, real_root, proposal):
            raise PathError(f"{source} leads to {real}, which is not this proposal's alone, so it is not used")
        # A directory that cannot be opened would only fail later, in the person's server.
        os.close(os.open(real, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW))
    except FileNotFoundError as error:
        raise MissingDirectory(
            f"{source} does not exist (not created yet, moved, or its file system is away)"
        ) from error
    except PermissionError as error:
        raise PathError(f"{source} may not be looked at by the hub's account (permission denied)") from error
    except NotADirectoryError as error:
        raise PathError(f"{source} is not a directory") from error
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            raise PathError(f"{source} is a loop of symbolic links") from error
        raise PathError(f"{str(source)[:200]!r} cannot be used: {error}") from error
    return real


def _leads_astray(source: Path, root: Path, real: Path, real_root: Path, proposal: str) -> bool:
    """Whether links lead to a directory above, which holds others' data too, or to one named otherwise."""
    if not source.is_relative_to(root):
        return False
    below = source.relative_to(root)
    place = real_root / below
    upwards = place != real and place.is_relative_to(real)
    named = [part for part in below.parts if proposal and proposal in part]
    return upwards or any(part not in real.relative_to(real_root).parts for part in named)
