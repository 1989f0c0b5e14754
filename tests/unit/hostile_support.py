"""Text as an attacker, or a careless source, may write it where a value of a path is expected."""

from __future__ import annotations

from hypothesis import strategies as st

HOSTILE = [
    "", "..", ".", "../..", "/", "//", "a/b", "%2F", "%2e%2e", "\0", "a\0b", "id31\n", "\nid31", "{}", "{proposal}",
    "{0}", "{instrument.__class__}", "-rf", ".hidden", "id31 ", "ｉd31", "іd31", "a" * 10_000, "~", "$HOME", "a:b", "a,b",
    "20230915\n", "٢٠٢٣٠٩١٥", "a..b", "ID31", "\ud800",
]  # fmt: skip
text = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))
