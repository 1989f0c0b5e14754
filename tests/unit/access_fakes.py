"""What stands for the hub where the watch over access is tested without one: its database is real."""

from __future__ import annotations

from typing import Any

from jupyterhub import orm
from jupyterhub.user import User


def stored_user(person: str, *servers: str) -> User:
    """A user of the hub, in a database of their own, with rows of servers."""
    session = orm.new_session_factory("sqlite:///:memory:")()
    row = orm.User(name=person)
    for server in servers:
        row._orm_spawners.append(orm.Spawner(name=server))
    session.add(row)
    session.commit()
    return User(row, {})


class Users:
    """Of a hub with one user."""

    def __init__(self, user: User) -> None:
        self.user = user

    def __getitem__(self, row: Any) -> User:
        return self.user

    def values(self) -> list[User]:
        return [self.user]
