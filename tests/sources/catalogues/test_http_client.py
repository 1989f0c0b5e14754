"""The client that all catalogues share: bounds, redirects, cookies, secrets."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from service import FAILURES, Asked, Reply, Service, broken, busy, cut_off, drip, elsewhere, hang, huge, zipped

from panosc_spawner.errors import ConfigurationError, PersonalSourceError, SourceError
from panosc_spawner.facilities.http_service import safe_service_url
from panosc_spawner.facilities.http_source_rules import IcatSource, SciCatSource
from panosc_spawner.proposals.http.client import HttpClient, HttpStatusError, PersonRefusedError
from panosc_spawner.proposals.http.json_answer import MAX_DEPTH, NotAnAnswer, parse
from panosc_spawner.proposals.http.too_much import TooMuchError, about_one_person

IMPATIENT = {"timeout": timedelta(seconds=0.5), "connect_timeout": timedelta(seconds=0.5)}
SECRET = "s3cr3t-of-the-session"


class Echo(Service):
    async def answer(self, asked: Asked) -> Reply:
        return Reply(200, {"path": asked.path, "query": asked.query}, {"Set-Cookie": "connect.sid=of-somebody; Path=/"})


def rule(url: str, **more: Any) -> SciCatSource:
    settings = {"timeout": "20s", "connect_timeout": "20s", "max_answer": "1M", **more}
    return SciCatSource(type="scicat", name="SciCat", facility="ess", url=url, audience="scicat", **settings)


@pytest.fixture
async def echo(serve):
    return serve(Echo())


@pytest.fixture
async def client(echo, tmp_path):
    client = HttpClient(rule(echo.url), tmp_path)
    yield client
    await client.aclose()


@pytest.fixture
async def impatient(echo, tmp_path):
    client = HttpClient(rule(echo.url, **IMPATIENT), tmp_path)
    yield client
    await client.aclose()


async def test_components_and_parameters_cannot_lead_elsewhere(client, echo) -> None:
    evil = "../admin?x=1#y/%2e%2e/é\n"
    answer = await client.get("a b", evil, query={"q": "a&b=c#d /'"})
    assert answer["path"] == ["a b", evil]
    assert answer["query"] == {"q": "a&b=c#d /'"}
    assert echo.asked[0].raw.count("/") == 2
    for part in ("", ".", "..", "a\0b"):
        with pytest.raises(SourceError, match="not a name"):
            await client.get("proposals", part)
    with pytest.raises(SourceError, match="too long"):
        await client.get("x", query={"q": "y" * 20_000})
    assert len(echo.asked) == 1


@pytest.mark.parametrize("failure", FAILURES)
async def test_whatever_goes_wrong_is_an_error_in_words_within_the_time(client, impatient, echo, failure) -> None:
    echo.trouble = failure
    client = impatient if failure in (hang, drip) else client
    begun = time.monotonic()
    try:
        answer = await client.get("x", query={"sessionId": SecretStr(SECRET)})
    except SourceError as error:
        words = str(error)
        assert words.startswith("SciCat: ")
        assert len(words) < 200
        for forbidden in (SECRET, "127.0.0.1", "SECRET-OF-THE-BODY", "Traceback", "http:"):
            assert forbidden not in words
        assert error.__cause__ is None
        assert (
            error.__suppress_context__
            or error.__context__ is None
            or isinstance(error.__context__, (NotAnAnswer, TimeoutError, asyncio.CancelledError))
        )
    else:  # a service may answer what its adapter did not expect: see each adapter's tests
        assert failure.__name__ in {"nothing", "other_type", "wrong_items"}, answer
    assert time.monotonic() - begun < 15


async def huge_json(handler) -> None:
    handler.set_header("Content-Type", "application/json; charset=utf-8")
    await huge(handler)


async def test_only_json_that_is_too_big_may_be_somebodys_own_list(client, echo) -> None:
    """A page in its place, however big, says nothing about anybody."""
    echo.trouble = huge_json
    with pytest.raises(PersonalSourceError, match="bigger than 1 MB"), about_one_person():
        await client.get("x")
    with pytest.raises(TooMuchError) as of_nobody:
        await client.get("x")
    assert not isinstance(of_nobody.value, PersonalSourceError)
    echo.trouble = huge
    with pytest.raises(SourceError, match="bigger than 1 MB") as page, about_one_person():
        await client.get("x")
    assert not isinstance(page.value, PersonalSourceError)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (broken, r"it answered with an error \(status 500\)"),
        (busy, r"it is asked too often \(status 429\)"),
        (huge, r"its answer is bigger than 1 MB \(max_answer\)"),
        (cut_off, "it broke the connection off"),
        (zipped, "its answer is compressed, though that was declined"),
    ],
)
async def test_the_words(client, echo, failure, words) -> None:
    echo.trouble = failure
    with pytest.raises(SourceError, match=words):
        await client.get("x")


async def test_the_words_when_nothing_comes(impatient, echo) -> None:
    echo.trouble = drip
    with pytest.raises(SourceError, match=r"no answer within 0\.5 s"):
        await impatient.get("x")


async def test_a_redirect_is_an_error_and_nothing_goes_there(client, echo, serve) -> None:
    other = serve(Echo())
    echo.trouble = elsewhere(f"{other.url}/take?token={SECRET}")
    with pytest.raises(HttpStatusError) as caught:
        await client.get("x", headers={"Authorization": SecretStr(f"Bearer {SECRET}")})
    assert "it sends elsewhere (http://127.0.0.1), which is not followed" in caught.value.reason
    assert SECRET not in caught.value.reason
    with pytest.raises(HttpStatusError):
        await client.post("x", form={"password": SecretStr(SECRET)})
    assert other.asked == []


@pytest.mark.parametrize(
    "target", ["//[", "javascript:alert(1)", "https://ex ample/", "/relative?token=x", "", "//evil"]
)
async def test_a_redirect_to_nonsense_is_told_without_it(client, echo, target) -> None:
    echo.trouble = elsewhere(target)
    with pytest.raises(SourceError, match=r"it sends elsewhere, which|it could not be asked \(InvalidURL\)"):
        await client.get("x")


async def test_no_cookie_is_kept(client, echo) -> None:
    await client.get("x")
    await client.get("x")
    assert [asked.headers.get("Cookie") for asked in echo.asked] == [None, None]


async def test_the_environment_decides_nothing(client, echo, serve, monkeypatch, tmp_path) -> None:
    proxy = serve(Echo())
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    await client.get("x")
    assert proxy.asked == []
    assert not echo.seen("Basic")


async def test_nothing_secret_is_logged_at_any_level(client, echo, caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        await client.get(
            "session",
            SecretStr(SECRET),
            query={"sessionId": SecretStr(SECRET)},
            headers={"access_token": SecretStr(SECRET)},
        )
        await client.post("session", form={"password": SecretStr(SECRET)})
        echo.trouble = broken
        with pytest.raises(SourceError):
            await client.get("session", SecretStr(SECRET))
    assert any(record.name == "httpx" for record in caplog.records)
    assert SECRET not in caplog.text
    assert len(echo.seen(SECRET)) == 3


async def test_a_secret_that_is_no_header_is_not_repeated(client, echo, caplog) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(SourceError) as caught:
        await client.get("x", headers={"Authorization": SecretStr(f"Bearer {SECRET}\r\nX-Admin: 1")})
    assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"
    assert not echo.asked


async def test_a_refused_person_is_not_the_services_fault(client, echo) -> None:
    for status in (401, 403):

        async def refuse(handler: Any, status: int = status) -> None:
            handler.set_status(status)

        echo.trouble = refuse
        with pytest.raises(PersonRefusedError, match="does not accept your login"):
            await client.get("x", personal=True)
        with pytest.raises(HttpStatusError) as caught:
            await client.get("x")
        assert not isinstance(caught.value, PersonalSourceError)


async def test_a_connection_that_broke_is_tried_once_more_but_no_post(client, echo) -> None:
    async def once(handler: Any) -> None:
        echo.trouble = None
        await cut_off(handler)

    echo.trouble = once
    assert await client.get("x")
    echo.trouble = once
    with pytest.raises(SourceError, match="broke the connection off"):
        await client.post("x", form={})
    assert [asked.method for asked in echo.asked] == ["GET", "GET", "POST"]


async def test_nobody_there(tmp_path, unused_tcp_port) -> None:
    client = HttpClient(rule(f"http://127.0.0.1:{unused_tcp_port}"), tmp_path)
    with pytest.raises(SourceError, match="no connection"):
        await client.get("x")
    await client.aclose()
    client = HttpClient(rule("https://no-such-host.invalid"), tmp_path)
    with pytest.raises(SourceError, match=r"host name is not known|no connection"):
        await client.get("x")
    await client.aclose()


async def test_a_service_that_speaks_no_tls(tmp_path) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = HttpClient(rule(f"https://127.0.0.1:{port}"), tmp_path)
    with pytest.raises(SourceError, match="no secure connection"):
        await client.get("x")
    await client.aclose()
    server.close()
    await server.wait_closed()


def test_it_can_be_used_in_one_event_loop_after_another(tmp_path) -> None:
    async def once() -> None:
        service = Echo()
        service.start()
        object.__setattr__(client._rule, "url", service.url)
        await client.get("x")
        await client.aclose()
        await service.stop()

    client = HttpClient(rule("http://127.0.0.1:1"), tmp_path)
    asyncio.run(once())
    asyncio.run(once())


def test_authorities_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(ConfigurationError, match="authorities of 'SciCat' cannot be read"):
            HttpClient(rule("https://scicat.example.org", ca_file=name), tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "http://catalogue.example.org", "ftp://127.0.0.1", "https://", "catalogue.example.org", "https://u:p@example.org",
        "https://example.org/?x=1", "https://example.org/#x", "https://example.org/a/../b", "http://127.0.0.1.evil.org",
        "http://localhost.evil.org", "https://ex ample.org", "https://example.org:port", "http://[::1", "https://exämple.org",
        "http://0.0.0.0", "https://example.org\\@127.0.0.1", "http://127.0.0.1@evil.org", "",
    ],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        rule(url)


@pytest.mark.parametrize(
    "url",
    ["https://example.org/api/", "http://127.0.0.1:80", "http://[::1]:80/x", "http://localhost", "http://127.3.2.1"],
)
def test_addresses_that_are_taken(url: str) -> None:
    assert safe_service_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"timezone": "Mars/Olympus"}, "time zone"),
        ({"timezone": "../../etc/passwd"}, "time zone"),
        ({"proxy": "socks5://x"}, "must be http"),
        ({"proxy": "http://me:pw@x"}, "without a user"),
        ({"user": "oidc."}, "must hold {key}"),
        ({"user": "{key}{other}"}, "must hold {key}"),
        ({"max_items": 0}, "greater than or equal"),
        ({"nonsense": 1}, "Extra inputs"),
    ],
)  # fmt: skip
def test_settings_that_are_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        rule("https://example.org", **more)


def test_icat_needs_one_way_in() -> None:
    for more in ({}, {"session": "account"}, {"session": "account", "username": "x"}):
        with pytest.raises(ValidationError, match="needs"):
            IcatSource(type="icat", name="i", facility="esrf", url="https://x.org", plugin="db", **more)


# --- JSON within bounds ---------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_json_is_read_as_it_is(value: Any) -> None:
    import json

    assert parse(json.dumps(value).encode()) == value


@given(st.binary(max_size=200) | st.text(alphabet='[]{}":,0123456789eE.-+nulltrfas \\', max_size=60).map(str.encode))
def test_anything_else_is_refused_in_words(body: bytes) -> None:
    try:
        parse(body)
    except NotAnAnswer as error:
        assert len(str(error)) < 60


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a": 1, "a": 1}', "twice"), (b'{"a": {"b": 1, "\\u0062": 2}}', "twice"), (b"[NaN]", "NaN"), (b"[-Infinity]", "NaN"),
        (b"1e999", "too big"), (b"9" * 30, "20 digits"), (b"", "empty"), (b"  ", "empty"), (b"\xff\xfe[\x00]\x00", "UTF-8"),
        (b"[" * 33 + b"]" * 33, "32 levels"), (b"[" * 10**6, "32 levels"), (b"[1] [2]", "not JSON"), (b"\xef\xbb\xbf[]", "not JSON"),
        (b"[" + b"1," * 500_001 + b"1]", "more than 500000"),
    ],
)  # fmt: skip
def test_json_beyond_the_bounds(body: bytes, words: str) -> None:
    with pytest.raises(NotAnAnswer, match=words):
        parse(body)


def test_json_just_within_the_bounds() -> None:
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


def test_httpx_itself_logs_no_path(caplog) -> None:
    with caplog.at_level(logging.INFO, "httpx"):
        logging.getLogger("httpx").info(
            "HTTP Request: %s %s", "GET", httpx.URL("https://u:p@example.org/session/abc?x=1")
        )
    assert "https://example.org" in caplog.text
    assert "abc" not in caplog.text
    assert "u:p" not in caplog.text
