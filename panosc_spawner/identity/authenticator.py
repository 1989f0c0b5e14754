"""Log in with one community: OpenID Connect, authorization code with PKCE, on top of oauthenticator.

What this class adds: the ID token is validated and belongs to the claims; people are keyed by issuer and ``voperson_id``; floors
of authentication and assurance are checked; nothing can let everybody in. Which of several communities: :mod:`.communities_authenticator`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from traitlets import Any as AnyTrait
from traitlets import Instance, List, TraitError, Unicode, default, validate

from panosc_spawner.errors import EntitlementError, IdentityError, PeopleError
from panosc_spawner.identity.assurance import missing_assurance
from panosc_spawner.identity.attempts import Attempt
from panosc_spawner.identity.claims import ClaimRules, former_identities, person_from
from panosc_spawner.identity.community import Community
from panosc_spawner.identity.context import LoginContext
from panosc_spawner.identity.entitlements import parse
from panosc_spawner.identity.fixed import COMMUNITY, require_fixed
from panosc_spawner.identity.lifetimes import RUNS_OUT, has_run_out
from panosc_spawner.identity.logins import ROTATION, ProvenLogin
from panosc_spawner.identity.person import Identity, Person
from panosc_spawner.identity.provider import ProviderCalls
from panosc_spawner.identity.refusals import LoginRefused, ProviderDown, ProviderRefused, UnverifiedAnswer
from panosc_spawner.identity.roles import roles_of
from panosc_spawner.identity.tokens import Expected, IdToken, InvalidToken, validate_id_token
from panosc_spawner.secret_file import read_secret

__all__ = ["PanoscAuthenticator"]

_TOKENS = ("access_token", "refresh_token", "id_token", "token_type", "scope", ROTATION, RUNS_OUT)


class PanoscAuthenticator(ProviderCalls):
    """Authenticator for one community; :func:`~.setup.configure_authenticator` sets it up from a site."""

    community = AnyTrait(
        config=True, help="The :class:`~panosc_spawner.identity.community.Community` that people log in with."
    )
    context = Instance(LoginContext, help="What all communities of the hub share.")
    issuer = Unicode(
        config=True, help="The provider's issuer, exactly as in its discovery document. Part of every identity."
    )
    client_secret_file = Unicode(
        config=True, help="File (mode 0600) with the client secret, so that no configuration object holds it."
    )
    admins = List(
        Unicode(),
        config=True,
        help="Identities (voperson_id or sub) who administer the hub. Whoever is not in the list loses the right at the next refresh.",
    )
    required_entitlement = Unicode(
        config=True,
        help="Only members of this group may log in: ``urn:geant:…:group:umbrellaid``. Empty: the whole community.",
    )
    acr = List(
        Unicode(),
        config=True,
        help="How people must have authenticated: any of these must be the ID token's acr. Empty: anyhow.",
    )
    assurance = List(
        Unicode(), config=True, help="What eduperson_assurance must hold or imply, all of it (REFEDS RAF)."
    )
    kept_claims = List(Unicode(), config=True, help="Claims that account mappings need. No others are stored.")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(self.community, Community) or not self.issuer or kwargs.get("context") is None:
            raise TraitError(
                "PanoscAuthenticator is one community's, and no hub's: set c.JupyterHub.authenticator_class to "
                "CommunitiesAuthenticator and call configure_authenticator."
            )
        for name in COMMUNITY:  # a validator does not see a value that equals the parent's default
            require_fixed("PanoscAuthenticator", COMMUNITY, name, getattr(self, name))
        self.community_id = self.community.id
        self.expected = Expected(
            self.issuer, self.client_id, self.endpoints.algorithms, timedelta(seconds=self.clock_skew)
        )

    # -- settings ----------------------------------------------------------------------------------------------------

    @validate(*COMMUNITY)
    def _is_fixed(self, proposal: Any) -> Any:
        require_fixed("PanoscAuthenticator", COMMUNITY, proposal.trait.name, proposal.value)
        return proposal.value

    @validate("required_entitlement")
    def _is_entitlement(self, proposal: Any) -> Any:
        if proposal.value:
            try:
                parse(proposal.value)
            except EntitlementError as error:
                raise TraitError(f"PanoscAuthenticator.required_entitlement: {error}") from error
        return proposal.value

    @default("enable_auth_state")
    def _enable_auth_state_default(self) -> bool:
        return True

    @default("auth_refresh_strict")
    def _auth_refresh_strict_default(self) -> bool:
        return True

    @default("any_allow_config")
    def _any_allow_config_default(self) -> bool:
        return True  # check_allowed decides; the hub need not warn that nobody can log in

    @default("login_service")
    def _login_service_default(self) -> str:
        return str(self.community.title) if self.community else "your community"

    @default("client_secret")
    def _client_secret_default(self) -> str:
        file = self.client_secret_file
        return read_secret(Path(file), "client secret").get_secret_value() if file else ""

    def _validate_server_cert_default(self) -> bool:
        return True  # whatever OAUTH_TLS_VERIFY says

    # -- a login ----------------------------------------------------------------------------------------------------

    def authorize_params(self, attempt: Attempt) -> dict[str, str]:
        """What is sent with the browser to the authorization endpoint."""
        params = dict(self.extra_authorize_params) | {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.oauth_callback_url,
            "scope": " ".join(self.scope),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        if self.acr:
            params["acr_values"] = " ".join(self.acr)
            if self.endpoints.claims_parameter:  # essential: the provider should ask for more, not answer with less
                params["claims"] = json.dumps({"id_token": {"acr": {"essential": True, "values": list(self.acr)}}})
        if attempt.purpose == "link":
            prompts = [one for one in params.get("prompt", "").split() if one not in ("none", "login")]
            params |= {"prompt": " ".join(["login", *prompts]), "max_age": "0"}
        return params

    async def log_in(self, attempt: Attempt, code: str) -> dict[str, Any]:
        """The auth model for a code that came back to an attempt. Whether they may be here is :meth:`check_allowed`'s.

        Raises:
            LoginRefused: in words for the person.
        """
        tokens = await self.get_token_info(
            None,
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.oauth_callback_url,
                "code_verifier": attempt.verifier,
                **self.client_params(),
            },
        )
        tokens[ROTATION] = 0
        proof = await self._verified(tokens, attempt.nonce)
        if self.acr and proof.acr not in self.acr:
            raise LoginRefused("acr", self._words_for_acr(), identity=str(Identity(self.issuer, proof.subject)))
        if attempt.purpose == "link" and (
            proof.auth_time is None or proof.auth_time.timestamp() < attempt.began - self.clock_skew
        ):
            raise LoginRefused(
                "auth-time",
                f"{self.login_service} did not ask you to log in again, so this does not prove that the identity is yours. "
                "Log out there, and try again.",
            )
        login = ProvenLogin.begin(proof.subject, proof.sid, attempt.nonce, proof.acr)
        now = datetime.now(UTC)
        claims = await self._claims(tokens, login)
        return self._model(tokens, claims, login, logged_in_at=now, to_link=attempt.purpose == "link")

    async def renewed(self, user: Any, state: Mapping[str, Any], known: Person) -> dict[str, Any]:
        """The auth model by the stored access token; where that is refused, by a new one for the refresh token.

        Raises:
            LoginRefused: also a :class:`ProviderDown` or :class:`ProviderRefused`.
            IdentityError: if the stored state is of another version.
        """
        login = ProvenLogin.from_state(state["login"])
        tokens = {name: state.get(name) for name in _TOKENS}
        try:
            claims = await self._claims(tokens, login)
        except LoginRefused as refused:
            if not isinstance(refused, ProviderRefused):
                raise
            if not tokens["refresh_token"]:
                refused.ran_out = has_run_out(tokens, time.time())
                raise
            tokens = await self._rotated(user, state, tokens, login)
            claims = await self._claims(tokens, login)
        return self._model(tokens, claims, login, logged_in_at=known.logged_in_at or known.seen_at)

    async def _rotated(
        self, user: Any, state: Mapping[str, Any], tokens: Mapping[str, Any], login: ProvenLogin
    ) -> dict[str, Any]:
        """New tokens for the refresh token; stored, and only then of use."""
        params = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **self.client_params()}
        logins, lost = self.context.logins, self.context.logins.rotating(login.id)
        logins.rotate(login.id, begins=True)
        try:
            answer = await self.get_token_info(None, params)
        except ProviderRefused as refused:
            refused.after_loss = lost
            logins.rotate(login.id, begins=False)
            raise
        except ProviderDown as down:
            if not down.lost and not lost:
                logins.rotate(login.id, begins=False)
            raise
        new = {**tokens, **{name: answer[name] for name in _TOKENS if answer.get(name)}}
        new |= {ROTATION: int(tokens.get(ROTATION) or 0) + 1, RUNS_OUT: answer[RUNS_OUT]}
        # Stored before it is used: with rotation the old one is spent, and using it again would revoke the login.
        await user.save_auth_state({**state, **new})
        logins.rotate(login.id, begins=False)
        if answer.get("id_token"):
            proof = await self._verified(answer, None)
            if proof.subject != login.subject or proof.nonce not in ("", login.nonce):
                raise LoginRefused("other-identity", self._words_for_another())
        return new

    async def _verified(self, tokens: Mapping[str, Any], nonce: str | None) -> IdToken:
        """What the ID token proves.

        Raises:
            UnverifiedAnswer: it proves nothing.
            ProviderDown: the keys cannot be fetched.
        """
        now, access_token = datetime.now(UTC), str(tokens["access_token"])
        try:
            return await self.keys.validated(
                lambda keys: validate_id_token(
                    tokens.get("id_token"), keys, self.expected, now, nonce=nonce, access_token=access_token
                )
            )
        except InvalidToken as error:
            self.log.warning("%s sent an ID token that is not valid: %s", self.login_service, error.code)
            raise UnverifiedAnswer(self.login_service, error.code) from None

    async def _claims(self, tokens: Mapping[str, Any], login: ProvenLogin) -> dict[str, Any]:
        """Userinfo's claims, of the same subject as the ID token (OpenID Connect Core 5.3.2), above the floor."""
        claims = await self.userinfo(str(tokens["access_token"]))
        if claims.get("sub") != login.subject:
            self.log.warning("%s: userinfo is about another subject than the ID token", self.login_service)
            raise LoginRefused("other-identity", self._words_for_another())
        if missing := missing_assurance(self.assurance, claims):
            identity = str(Identity(self.issuer, login.subject))
            raise LoginRefused("assurance", self._words_for_assurance(missing), identity=identity)
        return claims

    def _model(
        self,
        tokens: Mapping[str, Any],
        claims: Mapping[str, Any],
        login: ProvenLogin,
        *,
        logged_in_at: datetime,
        to_link: bool = False,
    ) -> dict[str, Any]:
        """JupyterHub's auth model. ``admin`` is always said (None would leave it as it was), and never true: see ``roles``."""
        person = replace(self.person(claims, to_link=to_link), logged_in_at=logged_in_at)
        initials = "".join(word[0] for word in person.display_name.split()[:2]).upper()
        shown = {"name": person.display_name, "display_name": person.display_name, "initials": initials}
        state = {name: tokens.get(name) for name in _TOKENS}
        state |= {"person": person.to_state(), "login": login.to_state()}
        model = {"name": person.username, "admin": False, "roles": roles_of(person.admin)}
        return {**model, "auth_state": state, "user_info": shown}

    def person(self, claims: Mapping[str, Any], *, to_link: bool = False) -> Person:
        """Who the claims are about; which user of the hub that is, the book of people says.

        Args:
            claims: of userinfo.
            to_link: whether they only prove an identity for linking: then it need not be one that may log in by itself.

        Raises:
            LoginRefused: in words for the person.
        """
        rules = ClaimRules(self.community, self.issuer, frozenset(self.admins), tuple(self.kept_claims))
        try:
            person = person_from(claims, rules, datetime.now(UTC))
            if to_link:
                return person
            username = self.context.people.name_of(person.identity, former_identities(person.identity, self.community))
            return replace(person, username=username, linked=self.context.people.linked(username, person.identity))
        except IdentityError as error:
            raise LoginRefused("identity", str(error)) from error
        except PeopleError as error:
            self.log.error("The book of people cannot be read: %s", error)
            raise LoginRefused(
                "people", "This hub cannot look up who you are right now. Try again in a few minutes.", 503
            ) from error

    def admit(self, person: Person) -> None:
        """Write a person whose login is allowed into the book of people.

        Raises:
            IdentityError, PeopleError: as :meth:`.PeopleStore.admit`.
        """
        name = self.context.people.admit(person.identity, former_identities(person.identity, self.community))
        if name != person.username:  # linked or unlinked since a moment ago
            raise IdentityError("Your identity was linked to another account just now. Please log in again.")

    async def check_allowed(self, username: str, auth_model: dict[str, Any] | None) -> bool:
        """Whether this person may be here: of this community, and in the required group.

        Called by JupyterHub at login, and at each refresh.

        Raises:
            LoginRefused: with words for the person.
        """
        try:
            person = Person.from_state(((auth_model or {}).get("auth_state") or {})["person"])
        except (KeyError, TypeError, IdentityError):
            return False
        if (person.issuer, person.community, person.username) != (self.issuer, self.community.id, username):
            return False
        if self.required_entitlement and not _holds(person, self.required_entitlement):
            group = ":".join(parse(self.required_entitlement).path)
            raise LoginRefused(
                "not-a-member",
                f"You are logged in to {self.login_service}, but only members of its group '{group}' may use this hub. "
                "Ask the people who run the group, or this hub, to add you; then log in again.",
                identity=str(person.identity),
            )
        return True

    def _words_for_acr(self) -> str:
        wanted = " or ".join(self.acr)
        return (
            f"This hub needs a stronger login than {self.login_service} reported ({wanted}): usually with a second factor. "
            f"Log out at {self.login_service}, log in again with it, and see your institute's help if it never asks for one."
        )

    def _words_for_assurance(self, missing: tuple[str, ...]) -> str:
        return (
            f"This hub needs to know that your identity was checked ({', '.join(missing)}), and {self.login_service} did not "
            "say so. Log in through your home institute rather than a social account, or ask its help desk to vouch for you."
        )

    def _words_for_another(self) -> str:
        return (
            f"{self.login_service} answered for somebody else than who logged in. Close the browser and log in again."
        )


def _holds(person: Person, required: str) -> bool:
    wanted = parse(required)
    return any(parse(text).satisfies(wanted) for text in person.entitlements)  # only those that parse were kept
