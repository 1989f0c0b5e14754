"""Server names are legal and tell selections apart."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyterhub.slugs import is_valid_safe_slug
from launch_support import MA, SPALL

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.launch.names import server_name


@pytest.mark.parametrize(
    ("refs", "others", "expected"),
    [
        ((MA,), (), "p-ma1234"),
        ((ProposalRef("ill", "8-04-923"),), (), "p-8-04-923"),
        (
            (MA,),
            (MA, ProposalRef(SPALL, "ma1234")),
            "p-ma1234-synchrotron-" + hashlib.sha256(b"synchrotron/ma1234").hexdigest()[:6],
        ),
    ],
)
def test_server_names(refs: tuple[ProposalRef, ...], others: tuple[ProposalRef, ...], expected: str) -> None:
    assert server_name(refs, others) == expected


_any_refs = st.builds(
    ProposalRef,
    st.sampled_from(["ill", "esrf", "ess"]),
    st.from_regex(r"[a-c0-1][a-c._-]{0,2}(-ill|-esrf)?|[A-Za-z0-9][A-Za-z0-9._-]{0,40}", fullmatch=True),
)


@given(
    st.lists(_any_refs, min_size=1, max_size=4, unique=True), st.lists(_any_refs, min_size=1, max_size=4, unique=True)
)
def test_server_names_are_legal_and_tell_selections_apart(one: list[ProposalRef], two: list[ProposalRef]) -> None:
    everything = (*one, *two)
    names = server_name(tuple(one), everything), server_name(tuple(two), everything)
    assert all(is_valid_safe_slug(name) and len(name) <= 30 for name in names)
    assert (names[0] == names[1]) == (sorted(map(str, one)) == sorted(map(str, two)))
