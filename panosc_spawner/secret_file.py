"""Secrets in files: read once, kept in a type that does not print (:class:`pydantic.SecretStr`)."""

from __future__ import annotations

import stat
from pathlib import Path

from pydantic import SecretStr

from panosc_spawner.errors import ConfigurationError

MAX_SECRET = 4096
METRICS_TOKEN = "token for metrics"  # noqa: S105 - its name in words
METRICS_TOKEN_LENGTH = 32  # characters at the least


def read_secret(file: Path, what: str = "secret", *, least: int = 1) -> SecretStr:
    """The secret in a file that only the hub's user may read.

    Args:
        file: with the secret on one line.
        what: it is, for the words of an error: "client secret".
        least: characters it must have.

    Raises:
        ConfigurationError: if it cannot be read, others may read it, or it is empty or too short.
    """
    try:
        mode = file.stat().st_mode
        secret = file.read_text("utf-8").strip() if stat.S_ISREG(mode) else ""
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else "is no text"
        raise ConfigurationError(
            file,
            "",
            f"the {what} cannot be read: {reason}",
            "write it there, on one line, mode 0600, the hub's own file",
        ) from error
    if mode & 0o077:
        raise ConfigurationError(
            file, "", f"the {what} can be read by others (mode {mode & 0o777:o})", f"chmod 600 {file}"
        )
    if not secret or len(secret) > MAX_SECRET or not secret.isprintable():
        raise ConfigurationError(file, "", f"holds no {what}", "one line with the secret and nothing else")
    if len(secret) < least:
        raise ConfigurationError(
            file, "", f"the {what} has less than {least} characters", f"openssl rand -hex 32 > {file}"
        )
    return SecretStr(secret)
