"""Directories and files that a site names: state, secret, the facilities' data, homes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from panosc_spawner.check.finding import Finding, error, ok, warning
from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.model import Facility
from panosc_spawner.facilities.paths import PathMap
from panosc_spawner.facilities.person_keys import TableKey
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.source_rules import FileSource
from panosc_spawner.secret_file import METRICS_TOKEN, METRICS_TOKEN_LENGTH, read_secret

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check_state_dir(site: Site) -> Iterator[Finding]:
    """The hub's own directory: database and secrets, for nobody else."""
    directory, subject = site.config.hub.state_dir, "state directory"
    try:
        mode = directory.stat().st_mode
    except FileNotFoundError:
        yield _to_be_made(subject, directory)
        return
    except OSError as problem:
        yield error(subject, f"{directory} cannot be looked at: {problem.strerror}", "run this as the hub's account")
        return
    if not stat.S_ISDIR(mode):
        yield error(subject, f"{directory} is not a directory", "remove the file, or set hub.state_dir")
    elif mode & _OTHERS:
        yield error(subject, f"{directory} is open to others (mode {mode & 0o777:04o})", f"chmod 700 {directory}")
    elif not os.access(directory, os.W_OK | os.X_OK):
        yield error(subject, f"this account cannot write in {directory}", f"chown it to the hub's account: {directory}")
    else:
        yield ok(subject, f"{directory} is the hub's alone")


def check_client_secret(site: Site) -> Iterator[Finding]:
    """The OpenID client's secret of each login, readable by the hub alone."""
    for place, login in enumerate(site.logins):
        subject = f"client secret of {login.community}" if place else "client secret"
        if login.client_secret_file is None:
            yield ok(subject, "none: a public client, protected by PKCE")
        else:
            yield _secret(subject, site.folder / login.client_secret_file)


def check_metrics_token(site: Site) -> Iterator[Finding]:
    """The token by which Prometheus reads metrics: the hub does not start with a short one, or one that others can read."""
    file = site.config.hub.metrics_token_file
    if file is not None:
        yield _secret(METRICS_TOKEN, site.folder / file, least=METRICS_TOKEN_LENGTH)


def check_who_may_write(site: Site) -> Iterator[Finding]:
    """What decides who may see which data is not everybody's to write."""
    own = (*(site.folder / "facilities").glob("*.toml"), *(site.folder / "communities").glob("*.toml"))
    files = [site.folder, site.folder / "site.toml", *own]
    for source in site.config.sources:
        files += [source.path] if isinstance(source, FileSource) else []
        person = getattr(source, "person", None)
        files += [site.folder / person.path] if isinstance(person, TableKey) else []
    for rule in filter(None, (site.account_rule(facility) for facility in site.facilities)):
        person = getattr(rule, "person", None)
        files += [site.folder / person.path] if isinstance(person, TableKey) else []
    for file in dict.fromkeys(files):
        with suppress(OSError):  # what cannot be read is told where it is read
            if (mode := file.stat().st_mode) & stat.S_IWOTH:
                yield error(
                    "who may write",
                    f"everybody may write {file} (mode {mode & 0o777:04o}): whoever does decides who sees which data",
                    f"chmod o-w {file}",
                )


def _secret(subject: str, file: Path, least: int = 1) -> Finding:
    try:
        read_secret(file, subject, least=least)
    except ConfigurationError as problem:
        return error(subject, f"{file}: {problem.reason}", problem.suggestion)
    return ok(subject, f"{file} is the hub's alone")


def check_facility_paths(site: Site) -> Iterator[Finding]:
    """Each facility's roots, and what its templates make of its own example."""
    for facility in site.facilities.values():
        paths = PathMap(facility)
        for root in dict.fromkeys(str(paths.root(area)) for area in facility.areas):
            yield _root(facility, Path(root))
        for area, example in paths.examples.items():
            yield ok(f"{facility.id} {area}", f"for example {example}")


def check_home(site: Site) -> Iterator[Finding]:
    """The directory in which homes are, or are made."""
    home, subject = site.config.home, "homes"
    if home.kind == "volume":
        yield ok(subject, f"Docker volumes {home.source}")
        return
    parent = _fixed_part(home.source)
    if not parent.is_absolute():
        yield error(subject, f"{home.source} is not an absolute path", "write home.source from / on")
    elif not parent.is_dir():
        yield error(subject, f"{parent} does not exist", "make or mount it, or set home.source")
    elif home.create and not os.access(parent, os.W_OK | os.X_OK):
        yield error(
            subject,
            f"this account cannot make homes in {parent}",
            "run the hub as root, or make homes and set home.create = false",
        )
    else:
        yield ok(subject, f"{home.source}, {'made when missing' if home.create else 'made by somebody else'}")


def _root(facility: Facility, root: Path) -> Finding:
    subject = f"{facility.id} root"
    override = f"mount it, or set paths.root in facilities/{facility.id}.toml"
    try:
        mode = root.stat().st_mode
    except FileNotFoundError:
        return error(subject, f"{root} does not exist", override)
    except OSError as problem:
        return error(subject, f"{root} cannot be looked at: {problem.strerror}", override)
    if not stat.S_ISDIR(mode):
        return error(subject, f"{root} is not a directory", override)
    if not os.access(root, os.R_OK | os.X_OK):
        return error(subject, f"this account may not read {root}", "give the hub's account read and search permission")
    if mode & stat.S_IWOTH:
        return warning(
            subject,
            f"everybody may write in {root} (mode {mode & 0o7777:04o})",
            f"chmod o-w {root}; proposals could be faked",
        )
    return ok(subject, f"{root} is readable")


def _fixed_part(source: str) -> Path:
    """The directory above the first component that holds a field."""
    before = source.partition("{")[0]
    return Path(before[: before.rfind("/") + 1])


def _to_be_made(subject: str, directory: Path) -> Finding:
    parent = next(parent for parent in directory.parents if parent.exists())
    if os.access(parent, os.W_OK | os.X_OK):
        return ok(subject, f"{directory} is made at the first start")
    return error(subject, f"{directory} does not exist, and this account cannot make it", f"mkdir -m 700 {directory}")
