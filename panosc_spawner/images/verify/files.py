"""What an image is, and what is in it: size, labels, layers, files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from panosc_spawner.images import VERSION, client
from panosc_spawner.images.build import MADE_OF, tag_of
from panosc_spawner.images.folder import Folder, Images
from panosc_spawner.images.verify.container import as_root, words
from panosc_spawner.images.verify.report import CheckFailed

COMPILERS = ("cc", "gcc", "g++", "c++", "clang", "gfortran", "make")
# Of the build, and of package managers: nothing of it is ever read.
_LEFTOVERS = (
    "/root/.cache /root/.config /home/jovyan/.cache /run/secrets/* /etc/pip.conf /opt/uv /opt/builder /steps /build /own"
    " /setup /about /tools /tmp/* /var/tmp/* /var/lib/apt/lists/* /var/cache/apt/*.bin"
)
_KEPT_BY_NAME = "-path '/etc/apt/auth.conf*' -o -name .netrc -o -name pip.conf -o -name .pypirc -o -name '.git-credentials' -o -name 'id_rsa*' -o -name 'id_ed25519*'"
# Mirrors' addresses with a user and a password.
_ADDRESSES = "grep -rosIE '://[^/[:space:]:@]+:[^/[:space:]@]+@' /etc/apt /etc/pip.conf /etc/xdg"
_KEPT_BY_WORDS = re.compile(
    r"(?i)[\w-]*(?:password|passwd|secret|api[_-]?key|access[_-]?key|token)\s*=\s*[^\s\"']{4,}|://[^/\s:@]+:[^/\s@]+@|BEGIN [A-Z ]*PRIVATE KEY"
)


def size(folder: Folder, images: Images) -> str:
    """Within what ``image.toml`` allows."""
    found = _inspect(tag_of(folder))["Size"]
    problems = []
    said = f"{found / 1e6:.0f} MB"
    if folder.image.from_:
        adds = found - _inspect(tag_of(images[folder.image.from_]))["Size"]
        said += f", {adds / 1e6:.0f} MB more than {folder.image.from_}"
        if folder.image.adds and adds > (allowed := folder.image.adds + _of_sources(folder)):
            problems.append(f"at most {allowed / 1e6:.0f} MB more are allowed (adds)")
    if folder.image.size and found > folder.image.size:
        problems.append(f"at most {folder.image.size / 1e6:.0f} MB are allowed (size)")
    if problems:
        raise CheckFailed(f"{said}; {'; '.join(problems)}")
    return said


def _of_sources(folder: Folder) -> int:
    """What the sources that an operator has given to the build may add."""
    if not folder.image.sources:
        return 0
    given = json.loads(as_root(tag_of(folder), "cat /opt/panosc/image.json")).get("sources", {})
    return sum(source.adds or 0 for name, source in folder.image.sources.items() if name in given)


def labels(folder: Folder) -> str:
    """Those of the OCI image specification."""
    found = _inspect(tag_of(folder))["Config"].get("Labels") or {}
    prefix = "org.opencontainers.image."
    expected = {"title": folder.image.title, "licenses": folder.image.licence, "version": VERSION}
    wrong = [key for key, value in expected.items() if found.get(f"{prefix}{key}") != value]
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found.get(f"{prefix}created", "")):
        wrong.append("created")
    if not re.fullmatch(r"(?:[0-9a-f]{40}|[0-9a-f]{64})(?:-changed)?|unknown", found.get(f"{prefix}revision", "")):
        wrong.append("revision")
    if not found.get(f"{prefix}base.name"):
        wrong.append("base.name")
    if not found.get(MADE_OF):
        wrong.append(MADE_OF)
    if wrong:
        raise CheckFailed(f"missing, or not what image.toml says: {', '.join(wrong)}; build the image again")
    return (
        f"created {found[prefix + 'created']} from {found[prefix + 'revision'][:12]}, on {found[prefix + 'base.name']}"
    )


def no_setuid(tag: str) -> str:
    """No file runs as somebody else than who starts it."""
    return _none(as_root(tag, "find / -xdev -perm /6000 -type f").splitlines(), "setuid or setgid")


def no_compiler(folder: Folder) -> str:
    """None where none is needed; where one is, it is there."""
    listed = as_root(tag_of(folder), f"for name in {' '.join(COMPILERS)}; do command -v $name; done; true")
    found = listed.splitlines()
    if folder.image.compiler:
        if not found:
            raise CheckFailed("image.toml says compiler = true, and there is none")
        return words(found)
    return _none(found, "a compiler, or compiler = true is missing in image.toml")


def no_leftovers(tag: str) -> str:
    """Nothing of the build stays."""
    return _none(as_root(tag, f"ls -d {_LEFTOVERS} 2>/dev/null; true").splitlines(), "left over from the build")


def no_secrets(tag: str) -> str:
    """Neither in the layers' commands, nor in the settings, nor in files."""
    history = client.run("history", "--no-trunc", "--format", "{{.CreatedBy}}", tag)
    if history.code:
        raise CheckFailed(history.words)
    settings = "\n".join(_inspect(tag)["Config"].get("Env") or [])
    found = [_masked(match.group()) for text in (history.out, settings) for match in _KEPT_BY_WORDS.finditer(text)]
    found += as_root(
        tag,
        # Packages bring keys of their own for their tests; those are nobody's.
        "find / -xdev \\( -path /proc -o -path /sys -o -path '*/site-packages' -o -path '*/dist-packages' \\) -prune -o "
        f"-type f \\( {_KEPT_BY_NAME} \\) -print; "
        "grep -rlsI -e 'BEGIN [A-Z ]*PRIVATE KEY' /etc /root /home /opt/panosc /usr/local /srv /var/lib 2>/dev/null; true",
        seconds=300,
    ).splitlines()
    found += sorted({f"{line.partition(':')[0]}: ://…@" for line in as_root(tag, f"{_ADDRESSES}; true").splitlines()})
    return _none(found, "looks like a secret")


def _masked(text: str) -> str:
    """What looks like a secret, without its value: reports are read by many."""
    if text.startswith("://"):
        return "://…@"
    name, equals, _ = text.partition("=")
    return f"{name}=…" if equals else f"{text[:12]}…"


def _none(found: Iterable[str], reason: str) -> str:
    listed = list(found)
    if listed:
        raise CheckFailed(f"{reason}: {words(listed)}")
    return ""


def _inspect(tag: str) -> dict[str, Any]:
    found = client.inspect_image(tag)
    if found is None:
        raise CheckFailed(f"{tag} is not built")
    return found
