"""Linking and unlinking: what must be proven, by whom, when and where; and that nothing else counts."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people_support import ADA, ADA_ELSEWHERE, BEA

from panosc_spawner.errors import IdentityError
from panosc_spawner.identity import linking
from panosc_spawner.identity.attempts import Attempt
from panosc_spawner.identity.claims import ClaimRules, person_from
from panosc_spawner.identity.community import Community
from panosc_spawner.identity.linking import Linking, Proof
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.people_model import Act
from panosc_spawner.identity.person import Identity, Person
from panosc_spawner.identity.refusals import LoginRefused

COMMUNITY = Community(
    id="demo",
    title="Demo",
    description="x",
    issuer="https://login.example",
    identity_scopes=("login.example",),
    former_scopes=("old.example",),
)
OTHER = Community(id="other", title="Other", description="x", issuer="https://other.example")


class Browser:
    """As much of a request handler as linking needs: one browser, with its cookies."""

    def __init__(self, people, user):
        self.current_user = SimpleNamespace(name=user) if user else None
        self.hub = SimpleNamespace(base_url="/hub/")
        self.authenticator = SimpleNamespace(
            people=people,
            blocked_users=set(),
            communities={id.id: SimpleNamespace(community=id) for id in (COMMUNITY, OTHER)},
        )
        self.cookies, self.went_to = {}, None

    def get_secure_cookie(self, name, max_age_days):
        assert max_age_days * 86400 == linking.LIFETIME.total_seconds()
        return self.cookies.get(name)

    def _set_cookie(self, name, text, **options):
        assert options["max_age"] == linking.LIFETIME.total_seconds()
        assert options["path"] == "/hub/"
        self.cookies[name] = text

    def clear_cookie(self, name, path):
        self.cookies.pop(name, None)

    def redirect(self, url, status):
        self.went_to = url


@pytest.fixture
def people(tmp_path):
    store = PeopleStore(tmp_path / "people.sqlite")
    yield store
    store.close()


@pytest.fixture
def ada(people):
    """Ada's browser, where she has begun to link a login of the other community."""
    browser = Browser(people, people.admit(ADA))
    linking.keep(browser, Linking.begin("link", browser.current_user.name, wanted="other"))
    return browser


def person(identity):
    return Person(*identity, "p-x", "Ada", "demo" if identity.issuer == ADA.issuer else "other", datetime.now(UTC))


async def sign_in(browser, identity, **changes):
    community = "demo" if identity.issuer == ADA.issuer else "other"
    attempt = Attempt.begin(community, purpose="link", for_user=getattr(browser.current_user, "name", ""))
    await linking.finish(browser, replace(attempt, **changes), person(identity))


async def test_both_sign_ins_in_this_order_lead_to_the_question_and_change_nothing(ada, people):
    await sign_in(ada, ADA)
    assert not linking.kept(ada).proven
    await sign_in(ada, ADA_ELSEWHERE)
    step = linking.kept(ada)
    assert step.proven
    assert (step.kept.identity, step.other.identity) == (ADA, ADA_ELSEWHERE)
    assert ada.went_to == "/hub/account/confirm"
    assert [change.act for change in people.history()] == [Act.MADE]
    assert linking.link(people, step, leaving="").username == ada.current_user.name
    assert "in one browser" in people.history()[-1].proof


@pytest.mark.parametrize("identity", [BEA, ADA_ELSEWHERE, Identity("https://evil.example", ADA.subject)])
async def test_the_first_must_be_a_login_of_this_account(ada, people, identity):
    people.admit(BEA)
    with pytest.raises(LoginRefused, match="does not belong to the account"):
        await sign_in(ada, identity)
    assert linking.kept(ada).kept is None


async def test_without_having_begun_here_no_sign_in_counts(ada, people):
    name = ada.current_user.name
    with pytest.raises(LoginRefused, match="another browser"):
        await sign_in(Browser(people, name), ADA)
    with pytest.raises(LoginRefused, match="another browser"):
        await sign_in(ada, ADA, for_user="p-" + "b" * 20)
    with pytest.raises(LoginRefused, match="another browser"):
        await sign_in(ada, ADA, purpose="login")
    stolen = Browser(people, people.admit(BEA))
    stolen.cookies = dict(ada.cookies)
    assert linking.kept(stolen) is None
    with pytest.raises(LoginRefused, match="another browser"):
        await sign_in(stolen, BEA)
    nobody = Browser(people, None)
    nobody.cookies = dict(ada.cookies)
    with pytest.raises(LoginRefused, match="another browser"):
        await sign_in(nobody, ADA, for_user=name)


async def test_what_was_begun_before_or_is_too_old_does_not_count(ada):
    with pytest.raises(LoginRefused, match="begun before"):
        await sign_in(ada, ADA, began=time.time() - 60)
    await sign_in(ada, ADA)
    with pytest.raises(LoginRefused, match="begun before"):
        await sign_in(ada, ADA_ELSEWHERE, began=time.time() - 60)
    step = linking.kept(ada)
    linking.keep(ada, replace(step, began=time.time() - linking.LIFETIME.total_seconds() - 1))
    assert linking.kept(ada) is None
    linking.keep(ada, replace(step, began=time.time() + 60))
    assert linking.kept(ada) is None, "nor what is said to begin later"


async def test_the_other_must_be_one_that_may_become_theirs(ada, people):
    await sign_in(ada, ADA)
    with pytest.raises(LoginRefused, match="belongs to this account already"):
        await sign_in(ada, ADA)
    people.remove(ADA_ELSEWHERE, by="root", reason="suspended")
    with pytest.raises(LoginRefused, match="shut out"):
        await sign_in(ada, ADA_ELSEWHERE)
    ada.authenticator.blocked_users = {people.admit(BEA)}
    with pytest.raises(LoginRefused, match="blocked"):
        await sign_in(ada, BEA)
    people.remove(Identity(ADA.issuer, "eve@old.example"), by="root", reason="suspended")
    with pytest.raises(LoginRefused, match="shut out"):
        await sign_in(ada, Identity(ADA.issuer, "eve@login.example"))
    assert linking.kept(ada).other is None


def proof(identity):
    return Proof(*identity, "demo", "Ada", time.time())


def test_the_word_alone_links_and_unlinks_nothing(people):
    name = people.admit(ADA)
    people.link(name, ADA_ELSEWHERE, by="root", reason="r", proof="p")
    for step in (Linking.begin("link", name), replace(Linking.begin("link", name), kept=proof(ADA)), replace(Linking.begin("link", name), other=proof(BEA))):  # fmt: skip
        assert not step.proven
        with pytest.raises(IdentityError):
            linking.link(people, step, leaving="")
    for step in (Linking.begin("unlink", name, target=ADA), replace(Linking.begin("unlink", name, target=ADA), kept=proof(ADA)), replace(Linking.begin("unlink", name, target=ADA), kept=proof(BEA))):  # fmt: skip
        with pytest.raises(IdentityError):
            linking.unlink(people, step)
    assert len(people.history()) == 2


def test_a_login_that_was_unlinked_meanwhile_proves_nothing_any_more(people):
    name = people.admit(ADA)
    people.link(name, ADA_ELSEWHERE, by="root", reason="r", proof="p")
    step = replace(Linking.begin("link", name), kept=proof(ADA_ELSEWHERE), other=proof(BEA))
    people.unlink(name, ADA_ELSEWHERE, by="root", reason="r", proof="p")
    with pytest.raises(IdentityError, match="does not belong to this account any more"):
        linking.link(people, step, leaving="")


def test_what_was_confirmed_is_good_once():
    step = Linking.begin("link", "p-x")
    assert linking.used_now(step)
    assert not linking.used_now(Linking.from_text(step.to_text()))


@given(st.one_of(st.text(), st.binary(), st.none()))
def test_a_cookie_of_somebody_elses_making_is_nothing(text):
    assert Linking.from_text(text) is None


@given(st.dictionaries(st.sampled_from(["id", "kind", "for_user", "began", "wanted", "target", "kept", "other", "x"]), st.one_of(st.none(), st.text(), st.integers(), st.lists(st.text(), max_size=3), st.dictionaries(st.text(), st.text(), max_size=3))))  # fmt: skip
def test_nor_is_one_of_another_version(table):
    import json

    step = Linking.from_text(json.dumps(table))
    if step is not None:
        assert step.fresh in (True, False)
        assert not step.proven or isinstance(step.kept, Proof)
        assert Linking.from_text(step.to_text()) == step


SAME = {
    "name": "Ada Lovelace",
    "email": "ada@univ.example",
    "email_verified": True,
    "orcid": "https://orcid.org/0000-0001",
    "preferred_username": "ada",
    "eduperson_principal_name": "ada@univ.example",
    "voperson_external_id": ["ada@univ.example"],
    "sub": "same-sub",
}


@pytest.mark.parametrize(
    ("issuer", "subject"),
    [(ADA.issuer, "other@login.example"), ("https://other.example", "ada@login.example"), (ADA.issuer + "/", "ada@login.example")],
)  # fmt: skip
def test_name_email_orcid_and_whatever_else_is_the_same_make_nobody_one_person(people, issuer, subject):
    rules = ClaimRules(COMMUNITY, ADA.issuer, kept=tuple(SAME))
    first = person_from({**SAME, "voperson_id": "ada@login.example"}, rules, datetime.now(UTC))
    second = person_from({**SAME, "voperson_id": subject}, replace(rules, issuer=issuer), datetime.now(UTC))
    assert people.admit(first.identity) != people.admit(second.identity)
    assert people.linked(people.name_of(first.identity), first.identity) == ()


def test_the_lifetime_is_minutes():
    assert timedelta(minutes=15) >= linking.LIFETIME
