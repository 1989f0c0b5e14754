"""Why a login does not come about: a code for the log and the metrics, and words for the person."""

from __future__ import annotations

from tornado import web


class LoginRefused(web.HTTPError):
    """A login that is refused. ``code`` is for the audit log and the metrics, and holds nothing of the login."""

    def __init__(self, code: str, words: str, status: int = 403, *, identity: str = "") -> None:
        self.code = code
        self.identity = identity  # of whom, where that was proven
        super().__init__(status, words)

    @property
    def words(self) -> str:
        """What happened and what to do, for the person."""
        return str(self.log_message or "").replace("%%", "%")


class ProviderDown(LoginRefused):
    """The login service did not answer, or not as one: says nothing about the person.

    ``lost``: it may have got the request and acted on it, and only the answer did not arrive. ``error`` is the code of RFC 6749 with
    which it refused this hub, for deciding and never shown.
    """

    def __init__(self, title: str, *, lost: bool = False, error: str = "") -> None:
        self.lost = lost
        self.error = error
        words = f"{title} does not answer right now, so nobody can be logged in. Try again in a few minutes."
        super().__init__("provider-down", words, 503)


class ProviderRefused(LoginRefused):
    """The login service refused a token or a code: the person has to log in again.

    ``error`` is the code of RFC 6749, for deciding and never shown. ``after_loss``: so many seconds ago the answer to another
    exchange of the same token was lost, so the provider may refuse it for being spent; 0: none was. ``ran_out``: it is an access
    token that was to end by now, and there is no refresh token.
    """

    def __init__(self, title: str, error: str = "") -> None:
        self.error = error
        self.after_loss = 0.0
        self.ran_out = False
        words = f"{title} did not confirm your login; it may have taken too long. Please log in again."
        super().__init__("provider-refused", words)


class UnverifiedAnswer(LoginRefused):
    """The login service's answer cannot be verified: its keys, its clock or its settings are wrong, or it is not it."""

    def __init__(self, title: str, code: str) -> None:
        words = (
            f"{title} sent a login that this hub cannot verify ({code}), so you are not logged in. Try again; if it stays "
            "like this, tell the people who run this hub."
        )
        super().__init__(f"id-token-{code}", words, 502)
