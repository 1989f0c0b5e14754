"""What went wrong with a container, in words, without Docker."""

from __future__ import annotations

import pytest
import requests
from docker.errors import APIError, DockerException
from test_docker_container import PLAN

from panosc_spawner.launch.model import Reason
from panosc_spawner.spawners.docker_engine import is_engine_down
from panosc_spawner.spawners.docker_failures import why_ended, why_not_started
from panosc_spawner.spawners.log_lines import last_lines


def api_error(status: int, words: str) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError("error", response, words)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (b"", ""),
        (b"plain\n\n  \nlines\n", "plain\nlines"),
        (b"\x1b[31mred\x1b[0m \x1b]0;title\x07bell\x07 \x00nul", "red bell nul"),
        (b"10%\r20%\r\n", "10%\n20%"),
        (b"\xff\xfe", "��"),
        ("gnp‮.exe".encode(), "gnp.exe"),
        (b"got s3cr3t!", "got [removed]"),
        (b"GET /?token=abcdef123456&x=1", "GET /?token=[removed]&x=1"),
        (b'{"token": "abcdef123456"}', '{"token": "[removed]"}'),
        (b"Authorization: token abcdef123456", "Authorization: token [removed]"),
        (b"Authorization: Bearer abc.def-ghi", "Authorization: Bearer [removed]"),
    ],
)
def test_last_lines(log: bytes, expected: str):
    assert last_lines(log, ["s3cr3t!", ""]) == expected


def test_last_lines_are_bounded():
    lines = last_lines(b"\n".join(b"x" * 2_000 for _ in range(500))).splitlines()
    assert len(lines) == 20
    assert max(map(len, lines)) == 400


def test_a_secret_at_the_cut_does_not_show_in_part():
    log = b"x" * 50 + b"s3cr3t!\n" + b"y" * 99_995 + b"\nend"
    assert last_lines(log, ["s3cr3t!"]).splitlines()[-1] == "end"
    assert "r3t" not in last_lines(log, ["s3cr3t!"])


@pytest.mark.parametrize(
    ("state", "starting", "reason", "words"),
    [
        ({"ExitCode": 137, "OOMKilled": True}, False, Reason.OUT_OF_MEMORY, "4 GB"),
        ({"ExitCode": 137, "OOMKilled": True}, True, Reason.OUT_OF_MEMORY, "while it was starting"),
        ({"ExitCode": 1, "OOMKilled": False}, False, Reason.SERVER_FAILED, "exit code 1"),
        ({"ExitCode": 0}, True, Reason.SERVER_FAILED, "exit code 0"),
        ({"ExitCode": 0, "OOMKilled": True}, False, None, ""),
        ({"ExitCode": 0}, False, None, ""),
    ],
)
def test_why_ended(state: dict[str, object], starting: bool, reason: Reason | None, words: str):
    refusal = why_ended(state, 4 * 1024**3, "the log", starting)
    assert (refusal.reason if refusal else None) == reason
    if refusal:
        assert words in refusal.message and refusal.details == "the log" and refusal.remedy


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (api_error(400, "invalid mount config: bind source path does not exist: /data/x"), Reason.MISSING_DIRECTORY),
        (api_error(404, "No such image: panosc/base:1"), Reason.MISSING_IMAGE),
        (api_error(404, "no such network"), Reason.SERVER_FAILED),
        (api_error(500, "OCI runtime create failed"), Reason.SERVER_FAILED),
        (requests.exceptions.ConnectionError("refused"), Reason.ENGINE_DOWN),
        (requests.exceptions.ReadTimeout("slow"), Reason.ENGINE_DOWN),
        (DockerException("Error while fetching server API version"), Reason.ENGINE_DOWN),
    ],
)
def test_why_not_started(error: Exception, reason: Reason):
    refusal = why_not_started(error, PLAN)
    assert refusal.reason is reason
    assert refusal.message and refusal.remedy


def test_a_directory_that_went_away_is_named_by_its_proposal():
    error = api_error(400, f"bind source path does not exist: {PLAN.mounts[0].source}")
    assert "raw data of ma1234" in why_not_started(error, PLAN).message


@pytest.mark.parametrize(
    ("error", "down"),
    [
        (api_error(500, ""), True),
        (api_error(503, ""), True),
        (api_error(404, ""), False),
        (api_error(409, ""), False),
        (requests.exceptions.ConnectionError(), True),
        (ValueError(), False),
    ],
)
def test_is_engine_down(error: Exception, down: bool):
    assert is_engine_down(error) is down
