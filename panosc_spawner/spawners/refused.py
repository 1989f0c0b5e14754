"""A refusal as JupyterHub's exception: counted by reason, shown in words, without a traceback."""

from __future__ import annotations

from html import escape

from jupyterhub.spawner import SpawnException

from panosc_spawner.launch.model import Reason, Refusal

_STATUS = {
    Reason.BAD_REQUEST: 400,
    Reason.NO_PROPOSAL: 400,
    Reason.ENGINE_DOWN: 503,
    Reason.SOURCE_DOWN: 503,
    Reason.SERVER_FAILED: 500,
    Reason.OUT_OF_MEMORY: 500,
    Reason.MISSING_DIRECTORY: 404,
    Reason.MISSING_IMAGE: 503,
}


class Refused(SpawnException):
    """Raised out of ``Spawner.start``; the hub logs it in one line and the pages show :attr:`refusal`."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        # What the hub's pages and progress events show of an exception.
        self.jupyterhub_message = str(refusal)
        self.jupyterhub_html_message = refusal_html(refusal)
        super().__init__(
            str(refusal),
            reason=refusal.reason.value,
            message_html=self.jupyterhub_html_message,
            status_code=_STATUS.get(refusal.reason, 403),
        )


def refusal_html(refusal: Refusal) -> str:
    """The refusal for a page: what happened, what to do, and the log's last lines folded. All of it escaped."""
    html = f'<p class="refusal-message">{escape(refusal.message)}</p><p class="refusal-remedy">{escape(refusal.remedy)}</p>'
    if refusal.details:
        html += f"<details><summary>Last lines of the log</summary><pre>{escape(refusal.details)}</pre></details>"
    return html
