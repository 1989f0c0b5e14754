"""Entitlements: groups and capabilities as communities send them in claims.

Groups are AARC-G069 (and its predecessor G002), capabilities AARC-G027::

    <NAMESPACE>:group:<GROUP>[:<SUBGROUP>]*[:role=<ROLE>][#<AUTHORITY>]
    <NAMESPACE>:res:<RESOURCE>[:<CHILD>]*[:act:<ACTION>[,<ACTION>]*][#<AUTHORITY>]
    NAMESPACE = urn:<NID>:<DELEGATED>[:<SUB>]*

They decide about access, so the parser is strict, and splits before it decodes: a percent-encoded separator can never
make a component. The first ``group`` or ``res`` ends the namespace: whoever may name a subgroup cannot graft another
namespace. The authority is kept for display; by G069 it says nothing about trust. Trust is the verified issuer and the
namespace that issuer may speak for.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote_to_bytes

from panosc_spawner.errors import EntitlementError

MAX_LENGTH = 2048
MAX_COMPONENTS = 32
_NID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]", re.ASCII)  # RFC 8141
_NAMESPACE_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
# RFC 8141 pchar without ':'; a blank or a non-ASCII letter must be percent-encoded.
_RAW_PART = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})+", re.ASCII)
_SEPARATORS = frozenset(":/\\#?%")


@dataclass(frozen=True)
class Entitlement:
    """A parsed entitlement.

    ``nid`` and ``namespace`` are lower-cased (URN equivalence); ``path``, ``role`` and ``actions`` are decoded and keep
    their case. ``role`` and ``authority`` are empty when there is none.
    """

    nid: str
    namespace: tuple[str, ...]
    kind: Literal["group", "res"]
    path: tuple[str, ...]
    role: str = ""
    actions: tuple[str, ...] = ()
    authority: str = ""

    @property
    def full_namespace(self) -> tuple[str, ...]:
        """NID and namespace components, as :func:`parse_namespace` gives them."""
        return (self.nid, *self.namespace)

    def within(self, namespace: str) -> bool:
        """Whether it is in this namespace or in one delegated beneath it, compared by whole components.

        Raises:
            EntitlementError: if ``namespace`` is not one.
        """
        wanted = parse_namespace(namespace)
        return self.full_namespace[: len(wanted)] == wanted

    def in_namespace(self, namespace: str) -> bool:
        """Whether it is in exactly this namespace.

        Raises:
            EntitlementError: if ``namespace`` is not one.
        """
        return self.full_namespace == parse_namespace(namespace)

    def satisfies(self, required: Entitlement) -> bool:
        """Whether whoever holds this has the required one: same namespace, same group or a subgroup of it.

        A required role or action must be there; the authority never counts.
        """
        return (
            self.full_namespace == required.full_namespace
            and self.kind == required.kind
            and self.path[: len(required.path)] == required.path
            and (not required.role or (self.role == required.role and self.path == required.path))
            and set(required.actions) <= set(self.actions)
        )


def parse(text: str) -> Entitlement:
    """Parse one entitlement, in time linear in its length.

    Raises:
        EntitlementError: if it is not exactly as G069 or G027 say; the message never repeats more than 80 characters of it.
    """
    if not isinstance(text, str):
        raise EntitlementError("an entitlement must be text")
    if len(text) > MAX_LENGTH:
        raise EntitlementError(f"an entitlement of {len(text)} characters; at most {MAX_LENGTH} are read")
    urn, _, authority = text.partition("#")
    if any(_is_control(character) for character in authority):
        raise _refused(text, "control characters in the authority")
    parts = urn.split(":", MAX_COMPONENTS + 1)
    if len(parts) > MAX_COMPONENTS:
        raise _refused(text, f"more than {MAX_COMPONENTS} components")
    keyword = next((at for at, part in enumerate(parts) if at >= 3 and part in ("group", "res")), None)
    if keyword is None:
        raise _refused(text, "neither ':group:' nor ':res:' after a namespace")
    nid, *namespace = _namespace(parts[:keyword], text)
    if parts[keyword] == "group":
        path, role = _group(parts[keyword + 1 :], text)
        return Entitlement(nid, tuple(namespace), "group", path, role=role, authority=authority)
    path, actions = _capability(parts[keyword + 1 :], text)
    return Entitlement(nid, tuple(namespace), "res", path, actions=actions, authority=authority)


@lru_cache(maxsize=256)
def parse_namespace(text: str) -> tuple[str, ...]:
    """The components of ``urn:<NID>:<DELEGATED>[:<SUB>]*`` after ``urn``, lower-cased.

    Raises:
        EntitlementError: if it is not a namespace.
    """
    if not isinstance(text, str) or len(text) > MAX_LENGTH:
        raise EntitlementError("a namespace must be short text")
    return _namespace(text.split(":"), text)


def _namespace(parts: list[str], text: str) -> tuple[str, ...]:
    if len(parts) < 3 or parts[0].lower() != "urn" or not _NID.fullmatch(parts[1]):
        raise _refused(text, "does not start with 'urn:<NID>:<namespace>'")
    for part in parts[2:]:
        if not _NAMESPACE_PART.fullmatch(part):
            raise _refused(text, "a namespace has plain components: letters, digits, '.', '_' and '-'")
    # 'GROUP' is no keyword, but whoever reads carelessly would take it for one.
    if any(part.lower() in ("group", "res") for part in parts[3:]):
        raise _refused(text, "a namespace cannot hold 'group' or 'res'")
    return tuple(part.lower() for part in parts[1:])


def _group(parts: list[str], text: str) -> tuple[tuple[str, ...], str]:
    role = ""
    if parts and parts[-1].startswith("role="):
        role = _decode(parts.pop().removeprefix("role="), text)
    path = tuple(_decode(part, text) for part in parts)
    if not path:
        raise _refused(text, "no group is named")
    if any(part.lower().startswith("role=") for part in path):
        raise _refused(text, "'role=' can only be the last component")
    return path, role


def _capability(parts: list[str], text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    actions: tuple[str, ...] = ()
    if len(parts) >= 3 and parts[-2] == "act":
        actions = tuple(_decode(action, text) for action in parts.pop().split(","))
        parts.pop()
    path = tuple(_decode(part, text) for part in parts)
    if not path:
        raise _refused(text, "no resource is named")
    if "act" in path[1:]:
        raise _refused(text, "'act' can only be followed by the actions at the end")
    return path, actions


def _decode(part: str, text: str) -> str:
    if not _RAW_PART.fullmatch(part):
        raise _refused(text, "an empty component, or a character that must be percent-encoded")
    try:
        decoded = unquote_to_bytes(part).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused(text, "percent-encoded bytes that are not UTF-8") from error
    if decoded in (".", "..") or decoded != decoded.strip():
        raise _refused(text, "a component is '.', '..' or starts or ends with a blank")
    if any(character in _SEPARATORS or _is_control(character) for character in decoded):
        raise _refused(text, "a percent-encoded separator or control character")
    return decoded


def _is_control(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] == "C" or category in ("Zl", "Zp")


def _refused(text: str, reason: str) -> EntitlementError:
    shown = ascii(text[:60]) + ("…" if len(text) > 60 else "")
    return EntitlementError(f"{shown}: {reason}")
