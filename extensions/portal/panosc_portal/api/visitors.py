"""Who asks the API: anybody, or somebody with a token of the hub's, for whom what is theirs is found, too."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from panosc_portal.api.errors import ApiError
from panosc_portal.errors import HubError
from panosc_portal.index.rights import Rights

_BEARER = re.compile(r"(?:bearer|token)\s+(\S{1,4096})\s*", re.IGNORECASE)
_PLAIN = re.compile(r"(?:(?:bearer|token)\s+)?(\S{1,4096})\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Visitor:
    """Who asks: ``refs`` are their proposals, ``key`` tells them from others, ``anonymous`` that nobody knows who they are."""

    refs: frozenset[str] = frozenset()
    key: str = ""
    anonymous: bool = True


class Visitors:
    """Answers whose proposals count for a request.

    Args:
        rights: knows the hub's tokens.
        anonymous: whether those without a token are answered at all.
    """

    def __init__(self, rights: Rights, *, anonymous: bool = True) -> None:
        self._rights, self._anonymous = rights, anonymous

    async def of(self, headers: Mapping[str, str], address: str = "") -> Visitor:
        """Whose a request is: ``Authorization: Bearer …``, or ``access_token: …`` as ILL's clients send.

        Raises:
            ApiError: 401 for a token that is nobody's, and without one where this site wants one; 503 without the hub.
        """
        token = token_of(headers)
        if token is None:
            if not self._anonymous:
                raise ApiError(401, "This site answers people with a token of its hub only.", "AUTHORIZATION_REQUIRED")
            return Visitor(key=address)
        try:
            found = await self._rights.refs(token)
        except HubError as error:
            raise ApiError(401 if error.status == 401 else 503, error.message) from error
        if found is None:
            raise ApiError(401, "The hub does not know this token, or it has ended.", "INVALID_TOKEN")
        return Visitor(found, hashlib.sha256(token.get_secret_value().encode()).hexdigest(), anonymous=False)


def token_of(headers: Mapping[str, str]) -> SecretStr | None:
    """The token that a request carries.

    Raises:
        ApiError: 401, if a header is there but holds none.
    """
    for name, form in (("authorization", _BEARER), ("access_token", _PLAIN)):
        given = headers.get(name)
        if not given:
            continue
        match = form.fullmatch(given)
        if match is None:
            raise ApiError(401, f"The header {name} holds no bearer token.", "INVALID_TOKEN")
        return SecretStr(match[1])
    return None
