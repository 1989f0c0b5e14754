"""Errors as LoopBack writes them, which clients of the PaNOSC search API know: never a trace, always words."""

from __future__ import annotations

from starlette.responses import JSONResponse

NAMES = {401: "UnauthorizedError", 404: "NotFoundError", 405: "MethodNotAllowedError", 503: "ServiceUnavailableError"}


class ApiError(Exception):
    """An error that is told to the client.

    Args:
        status: of HTTP.
        message: what is wrong, in words.
        code: LoopBack's, where it has one (``MODEL_NOT_FOUND``).
    """

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code

    def answer(self) -> JSONResponse:
        """The body and its status."""
        said: dict[str, object] = {"statusCode": self.status, "name": NAMES.get(self.status, "Error")}
        said["message"] = self.message
        if self.code:
            said["code"], said["name"] = self.code, "Error"
        headers = {"Cache-Control": "no-store"}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.status == 405:
            headers["Allow"] = "GET, HEAD"
        if self.status == 503:
            headers["Retry-After"] = "5"
        return JSONResponse({"error": said}, self.status, headers)


def not_found(model: str, pid: str) -> ApiError:
    """There is no such entry, or not for who asks: nobody can tell the one from the other."""
    shown = pid if len(pid) <= 200 else pid[:200] + "…"
    return ApiError(404, f'Unknown "{model}" id "{shown}".', "MODEL_NOT_FOUND")
