"""Communities: the identity providers people log in with, as data.

A community is a TOML file. eduTEAMS, UmbrellaID and EGI Check-in come with this package; a site's ``communities`` folder
adds its own, or replaces one of these by a file of the same name.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from panosc_spawner.errors import ConfigurationError, EntitlementError
from panosc_spawner.facilities.model import Model, PlainName
from panosc_spawner.identity.entitlements import parse_namespace
from panosc_spawner.identity.tokens import ALGORITHMS

PRESETS = Path(__file__).parent / "communities"
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/|$)")


def require_safe_url(value: str) -> str:
    """Return an address that tokens may be sent to: https, or http on loopback.

    Raises:
        ValueError: if it is anything else.
    """
    if not value.isascii() or not value.isprintable():
        raise ValueError("holds characters that no address has: write it as the provider does")
    if re.match(r"https://[^/\s?#@\\]+(?:[/?#]|\Z)", value) or _LOOPBACK.match(value):
        return value
    raise ValueError("must be https, or http on loopback (127.0.0.1)")


class Endpoints(Model):
    """What a provider offers and where (``[endpoints]``), where it has no discovery document."""

    authorize: str
    token: str
    userinfo: str
    jwks: str = Field(description="Its public keys: without them nobody's login can be verified.")
    end_session: str = Field(default="", description="Where it is told that somebody logs out; empty: nowhere.")
    algorithms: tuple[str, ...] = Field(
        default=ALGORITHMS, min_length=1, description="What it signs ID tokens with; never 'none', never HS256."
    )
    token_exchange: bool = Field(default=False, description="Whether it exchanges tokens (RFC 8693).")
    names_issuer: bool = Field(
        default=False, description="Whether it says in each answer who it is (RFC 9207). Then one without is refused."
    )
    claims_parameter: bool = Field(default=False, description="Whether it understands the `claims` parameter.")

    @field_validator("authorize", "token", "userinfo", "jwks")
    @classmethod
    def _safe(cls, value: str) -> str:
        return require_safe_url(value)

    @field_validator("end_session")
    @classmethod
    def _safe_if_any(cls, value: str) -> str:
        return require_safe_url(value) if value else value

    @field_validator("algorithms")
    @classmethod
    def _are_safe(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unsafe := set(value) - set(ALGORITHMS):
            raise ValueError(f"{min(unsafe)!r} is not one of {', '.join(ALGORITHMS)}")
        return value


class Community(Model):
    """One community AAI."""

    id: PlainName
    title: str = Field(min_length=1, description="On the login card: 'Log in with <title>'.")
    description: str = Field(description="One line: what the hub will know about the person.")
    issuer: str = Field(default="", description="Exactly as in the provider's discovery document, slash or no slash.")
    issuer_required: bool = Field(
        default=False, description="The issuer is not public: the operator takes it from the registration."
    )
    scopes: tuple[str, ...] = Field(default=("openid", "profile", "email"), min_length=1)
    authorize_params: dict[str, str] = Field(
        default_factory=dict, description="Sent with each login, for example prompt = 'consent'."
    )
    identity_claim: Literal["voperson_id", "sub"] = "voperson_id"
    allow_sub: bool = Field(
        default=False,
        description="Where voperson_id is missing, `sub` names the person. Only if it is public and stable.",
    )
    identity_scopes: tuple[str, ...] = Field(
        default=(),
        description="What may stand behind the '@' of voperson_id; empty: anything. Pin it where it is known.",
    )
    former_scopes: tuple[str, ...] = Field(
        default=(),
        description="What stood behind the '@' before, where the community renamed its scope and kept the identifiers: who "
        "comes as x@new is the person who came as x@old. Only if the community says so.",
    )
    namespaces: tuple[str, ...] = Field(
        default=(), description="Entitlement namespaces this issuer may speak for; empty: its entitlements never count."
    )
    endpoints: Endpoints | None = Field(default=None, description="Empty: found by OpenID discovery.")
    token_auth: Literal["basic", "post", "none"] = Field(
        default="basic", description="How the client proves itself; none: public client, PKCE alone."
    )

    logout: Literal["provider", "here"] = Field(
        default="provider",
        description="provider: who logs out of the hub is logged out there, too, if it offers that (register "
        "<public_url>/hub/logout as post-logout redirect URI); here: of the hub only.",
    )

    @field_validator("issuer")
    @classmethod
    def _safe_issuer(cls, value: str) -> str:
        return require_safe_url(value) if value else value

    @field_validator("identity_scopes", "former_scopes")
    @classmethod
    def _lower(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for scope in value:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", scope, re.ASCII):
                raise ValueError(f"{scope!r} is not a scope; write it without '@', for example 'eduteams.org'")
        return tuple(scope.lower() for scope in value)

    @field_validator("namespaces")
    @classmethod
    def _are_namespaces(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for namespace in value:
            try:
                parse_namespace(namespace)
            except EntitlementError as error:
                raise ValueError(str(error)) from error
        return value

    @field_validator("scopes")
    @classmethod
    def _ask_for_openid(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in value:
            raise ValueError("must hold 'openid'")
        return value

    @model_validator(mode="after")
    def _has_an_issuer(self) -> Community:
        if not self.issuer and not self.issuer_required:
            raise ValueError("issuer: missing; write it, or issuer_required = true")
        return self


def load_community(name: str, site_folder: Path | None = None) -> Community:
    """Load a community by name: the site's ``communities/<name>.toml``, else this package's.

    Raises:
        ConfigurationError: naming the file, the key and what is wrong; or the communities there are.
    """
    file = _find(name, site_folder)
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(file, "", f"cannot be read: {error}") from error
    try:
        community = Community.model_validate(table)
    except ValidationError as error:
        raise _first_mistake(file, error) from error
    if community.id != name:
        raise ConfigurationError(
            file, "id", f"is {community.id!r}, but the file is called {name}.toml", f"id = {name!r}"
        )
    return community


def _find(name: str, site_folder: Path | None) -> Path:
    folders = [*([site_folder / "communities"] if site_folder else []), PRESETS]
    known = sorted({file.stem for folder in folders for file in folder.glob("*.toml")})
    if name in known:  # a name from outside never becomes a path unless it is one of the files
        return next(file for folder in folders if (file := folder / f"{name}.toml").is_file())
    where = (site_folder / "site.toml") if site_folder else PRESETS
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
    raise ConfigurationError(where, "login.community", f"there is no community {name!r}", hint)


def _first_mistake(file: Path, error: ValidationError) -> ConfigurationError:
    mistake: Any = error.errors()[0]
    key = ".".join(str(part) for part in mistake["loc"])
    if mistake["type"] == "extra_forbidden":
        known = list(Endpoints.model_fields if len(mistake["loc"]) > 1 else Community.model_fields)
        close = difflib.get_close_matches(str(mistake["loc"][-1]), known, n=1)
        return ConfigurationError(file, key, "unknown key", f"did you mean {close[0]!r}?" if close else "")
    return ConfigurationError(file, key, str(mistake["msg"]).removeprefix("Value error, "))
