"""A token for one audience in exchange for a person's own (OAuth 2.0 Token Exchange, RFC 8693)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from panosc_spawner.errors import TokenError
from panosc_spawner.identity.authenticator import PanoscAuthenticator
from panosc_spawner.identity.lifetimes import lifetime
from panosc_spawner.identity.refusals import LoginRefused, ProviderDown, ProviderRefused

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type's name
_TYPES = (ACCESS_TOKEN, "urn:ietf:params:oauth:token-type:jwt")
_LONGEST = timedelta(days=1)
# What a provider says of the request, not of the person's token (RFC 8693, 2.2.2).
_OF_THE_REQUEST = ("invalid_target", "invalid_scope", "unsupported_grant_type", "unauthorized_client")


@dataclass(frozen=True)
class GivenToken:
    """A token for one audience, until a moment."""

    value: SecretStr
    expires_at: datetime


class SubjectTokenRefused(TokenError):
    """The provider does not take the person's own token any more; a renewed one may do."""


async def exchanged(login: PanoscAuthenticator, access_token: str, audience: str, scope: str = "") -> GivenToken:
    """Exchange a person's access token for one that is good for ``audience`` only.

    Args:
        login: of the community the token is of.
        access_token: the person's.
        audience: as the provider knows it.
        scope: what the token is for; empty: as the provider sees fit.

    Raises:
        SubjectTokenRefused: if the person's token is not good any more.
        TokenError: for anything else, in words for the person.
    """
    title = login.login_service
    if not login.endpoints.token_exchange:
        raise TokenError(f"{title} does not exchange tokens, so there is none for '{audience}'.")
    asked_at = datetime.now(UTC)
    params = {
        "grant_type": GRANT,
        "subject_token": access_token,
        "subject_token_type": ACCESS_TOKEN,
        "requested_token_type": ACCESS_TOKEN,
        "audience": audience,
        "scope": scope,
        **login.client_params(),
    }
    try:
        answer = await login.get_token_info(None, params)
    except LoginRefused as refused:
        if isinstance(refused, ProviderRefused | ProviderDown) and refused.error in _OF_THE_REQUEST:
            raise TokenError(f"{title} gives this hub no token for '{audience}' ({refused.error}).") from None
        if isinstance(refused, ProviderRefused):
            raise SubjectTokenRefused(
                f"{title} does not take your login any more. Log out, and log in again."
            ) from None
        raise TokenError(refused.words) from None
    return _given(answer, access_token, asked_at, title)


def _given(answer: dict[str, Any], access_token: str, asked_at: datetime, title: str) -> GivenToken:
    seconds = lifetime(answer)
    if seconds is None or seconds > _LONGEST.total_seconds():
        raise TokenError(f"{title} gave a token without saying how long it is good for, so it is not passed on.")
    if answer.get("issued_token_type") not in _TYPES:
        raise TokenError(f"{title} gave a token of another type than an access token, so it is not passed on.")
    if answer["access_token"] == access_token:
        raise TokenError(
            f"{title} gave your own token back, which is good for more than was asked; it is not passed on."
        )
    return GivenToken(SecretStr(answer["access_token"]), asked_at + timedelta(seconds=seconds))
