"""Which communities people log in with (``[login]`` of ``site.toml``)."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from panosc_spawner.facilities.model import Model, PlainName


class Login(Model):
    """Which community people log in with (``[login]``)."""

    community: PlainName = Field(
        description="A file of the communities folder: eduteams, umbrellaid, egi-checkin, einfra-cz, lifescience, helmholtz, perun, or "
        "the site's own."
    )
    issuer: str = Field(
        default="", description="Instead of the community's; required where the community's is not public (UmbrellaID)."
    )
    client_id: str
    client_secret_file: Path | None = Field(
        default=None, description="File (mode 0600) with the client secret; none for a public client with PKCE."
    )
    scopes: tuple[str, ...] = Field(default=(), description="Instead of the community's.")
    admins: tuple[str, ...] = Field(
        default=(),
        description="Identities (voperson_id or sub) of this issuer who administer the hub. No claim can make an administrator.",
    )
    required_entitlement: str = Field(
        default="", description="Only members of this group may log in, for example 'urn:geant:…:group:umbrellaid'."
    )
    acr: tuple[str, ...] = Field(
        default=(),
        description="How people must have authenticated (acr of the ID token): any of these, for example "
        "'https://refeds.org/profile/mfa'. It is asked for, and checked in what comes back. Empty: anyhow.",
    )
    assurance: tuple[str, ...] = Field(
        default=(),
        description="What eduperson_assurance must hold, all of it, for example 'https://refeds.org/assurance/IAP/medium' "
        "(REFEDS RAF; IAP/high counts as IAP/medium and low). Empty: nothing is required.",
    )
    also: tuple[Login, ...] = Field(
        default=(), description="Other communities people may log in with ([[login.also]]), each with keys as these."
    )
