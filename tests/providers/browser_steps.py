"""A browser without JavaScript: cookies, redirects, forms. It drives the pages as they are."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx


@dataclass
class Form:
    """A form of a page; ``buttons`` are (name, value)."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        elif tag == "input" and self.forms and given.get("name") and given.get("type") != "submit":
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "button" and self.forms and given.get("name"):
            self.forms[-1].buttons.append((given["name"], given.get("value", "")))


class Browser(httpx.Client):
    """One person's browser.

    Args:
        ca: whom it trusts, beside the machine's own.
    """

    def __init__(self, ca: Path | None = None, **options: Any) -> None:
        verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=str(ca)) if ca else True
        headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        super().__init__(
            **{"follow_redirects": True, "trust_env": False, "verify": verify, "timeout": 30, "headers": headers}
            | options
        )

    def submit(self, page: httpx.Response, button: tuple[str, str] | None = None, **changes: str) -> httpx.Response:
        """Send the form that has this button, or the page's first one."""
        forms = forms_of(page)
        form = next((form for form in forms if button is None or button in form.buttons), None)
        assert form is not None, f"no form with {button} on {page.url}:\n{page.text[:2000]}"
        fields = form.fields | changes | (dict([button]) if button else {})
        address = urljoin(str(page.url), form.action)
        if form.method == "post":
            return self.post(address, data=fields)
        return self.get(address, params=fields)


def offers(page: httpx.Response, button: tuple[str, str]) -> bool:
    """Whether a page has this button."""
    return any(button in form.buttons for form in forms_of(page))


def forms_of(page: httpx.Response) -> list[Form]:
    """The forms of a page."""
    parser = _Forms()
    parser.feed(page.text)
    return parser.forms
