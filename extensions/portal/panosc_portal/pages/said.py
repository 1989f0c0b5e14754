"""What went wrong, as a page for people and as JSON for programs."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from panosc_portal.context import Portal
from panosc_portal.login import own_address
from panosc_portal.pages.words import error_words


def said(request: Request, status: int, text: str = "", remedy: str = "", number: str = "") -> Response:
    """What went wrong, in words: a page, or JSON for programs."""
    words = error_words(status, text, remedy)
    if wants_json(request):
        message = " ".join(part for part in (words.text or words.title, words.remedy) if part)
        body = {"error": {"statusCode": status, "name": "Error", "message": message}}
        if number:
            body["error"]["number"] = number
        return JSONResponse(body, status_code=status, headers={"Cache-Control": "no-store"})
    portal = portal_of(request)
    back = own_address(request) if request.method == "GET" else ""
    values = {"said": words, "code": status, "number": number, "back": back}
    return portal.page(request, "error.html", request.scope.get("panosc_login"), status, **values)


def wants_json(request: Request) -> bool:
    """Whether a program asks: by the address, or by what it takes."""
    portal = portal_of(request)
    if request.url.path.startswith(f"{portal.base}api/"):
        return True
    accepts = request.headers.get("Accept", "")
    return "application/json" in accepts and "text/html" not in accepts


def portal_of(request: Request) -> Portal:
    """The running portal."""
    found: Portal = request.app.state.portal
    return found
