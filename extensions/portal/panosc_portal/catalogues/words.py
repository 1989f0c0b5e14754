"""The words of a question, as every catalogue and the check of its answers understand them."""

from __future__ import annotations

import re

MOST = 8


def words_of(text: str) -> tuple[str, ...]:
    """Single words, and phrases in quotes as one; all of them must be found, in any case. At most eight."""
    found = (phrase or word for phrase, word in re.findall(r'"([^"]{1,200})"|(\S+)', text[:1000]))
    plain = (re.sub(r'["%*\\]', "", word).strip() for word in found)
    return tuple(dict.fromkeys(word for word in plain if word))[:MOST]
