"""The chain: each link is tried for real, in order; what hangs on a broken one is not known, and says so."""

from __future__ import annotations

from datetime import UTC, datetime

from panosc_spawner.explain.data import account_link, mount_link, path_links, permission_links
from panosc_spawner.explain.model import Explanation, Link, Question, State, Step
from panosc_spawner.explain.rights import proposal_link, rights
from panosc_spawner.explain.who import identity_link, login_link
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.identity.person import Person


async def explain(question: Question) -> Explanation:
    """Try every link between a person and a proposal.

    Starts nothing, changes nothing, and asks the sources as a start would. A broken link does not keep those from being
    tried that do not hang on it: whoever mends the first would only find the second.
    """
    now = question.now or datetime.now(UTC)
    links = [identity_link(question), login_link(question, now)]
    proposal, ref = proposal_link(question)
    links.append(proposal)
    if question.person and ref and links[0].state is not State.BROKEN:
        links += await _data(question, question.person, ref, now, links)
    links += [_untried(step) for step in Step if not any(link.step is step for link in links)]
    order = list(Step)
    name = question.person.username if question.person else str(question.identity or "")
    return Explanation(
        person=name,
        proposal=str(ref or question.proposal.strip()[:80]),
        asked_at=now,
        links=tuple(sorted(links, key=lambda link: order.index(link.step))),
    )


async def _data(question: Question, person: Person, ref: ProposalRef, now: datetime, before: list[Link]) -> list[Link]:
    found = await rights(question, person, ref, now)
    links = list(found.links)
    account, account_of = await account_link(question, person, ref)
    links.append(account)
    right = next(link for link in links if link.step is Step.GRANT)
    if right.state is not State.OK or found.grant is None:
        return links
    paths, there = await path_links(question, found.grant, found.mounts)
    links += paths
    if any(link.state is State.BROKEN for link in paths) or account_of is None:
        return links
    links += await permission_links(question, account_of, there)
    if not any(link.state is State.BROKEN for link in (*before, *links)):
        links.append(mount_link(question, person, found.grant, account_of, there, now))
    return links


def _untried(step: Step) -> Link:
    return Link(step, State.UNKNOWN, "Not tried: a link before it is broken or not known.")
