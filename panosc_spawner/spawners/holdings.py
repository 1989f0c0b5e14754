"""What the hub keeps of a server so that its rights can be asked about again, also after the hub itself was started anew."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from jupyterhub import orm
from sqlalchemy import inspect

from panosc_spawner.launch.model import LaunchPlan


def holdings(plan: LaunchPlan, decided_at: datetime) -> dict[str, Any]:
    """For a server's summary: its directories and account, and when its rights were confirmed. JSON.

    Args:
        plan: what it is started with.
        decided_at: when the sources were asked.
    """
    return {
        "decided_at": decided_at.isoformat(),
        "confirmed": {str(ref): decided_at.isoformat() for ref in plan.proposals},
        "latest": (decided_at + plan.limits.lifetime).isoformat(timespec="seconds"),
        "account": asdict(plan.account),
        "holds": [
            {
                "proposal": str(mount.proposal),
                "area": mount.area.value,
                "source": str(mount.source),
                "writable": not mount.read_only,
            }
            for mount in plan.mounts
        ],
    }


def unshare(orm_spawner: Any) -> int:
    """Withdraw all shares of a server and all codes that could become one; returns how many there were.

    A share gives another person a shell with the owner's data (``access:servers``).
    """
    session, number = inspect(orm_spawner).session, 0
    for kind in (orm.Share, orm.ShareCode):
        number += int(session.query(kind).filter_by(spawner_id=orm_spawner.id).delete())
    if number:
        session.commit()
    return number


def token_number(api_token: str, orm_spawner: Any) -> int:
    """The number of a server's own token in the hub's database; 0 if it is not there.

    The hub forgets the token itself when it is started anew, and would then neither know the server's requests nor take the
    token away when the server ends. The number is no secret.
    """
    found = orm.APIToken.find(inspect(orm_spawner).session, api_token) if api_token else None
    return int(found.id) if found else 0


def withdraw_token(number: int, orm_spawner: Any) -> None:
    """Delete a server's own token."""
    if number:
        session = inspect(orm_spawner).session
        session.query(orm.APIToken).filter_by(id=number, user_id=orm_spawner.user_id).delete()
        session.commit()
