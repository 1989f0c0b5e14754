"""Keys of the portal's own, each in a file that only the portal's user may read."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet
from pydantic import SecretStr

from panosc_spawner.secret_file import read_secret


def kept_key(file: Path, what: str, make: Callable[[], bytes]) -> SecretStr:
    """The key in a file; one is made where there is none yet.

    Args:
        file: of the key.
        what: the key, in words for an error.
        make: gives a new one, as a line of 44 characters or more.

    Raises:
        ConfigurationError: if it cannot be read, or others may read it.
    """
    with suppress(FileExistsError):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(make())
    return read_secret(file, what, least=44)


def kept_fernet(file: Path | None, what: str) -> Fernet:
    """What encrypts with a key in a file; without a file, with one that ends with the process.

    Raises:
        ConfigurationError: as :func:`kept_key`.
    """
    if file is None:
        return Fernet(Fernet.generate_key())
    return Fernet(kept_key(file, what, Fernet.generate_key).get_secret_value().encode())
