"""What driving a spawner without a hub needs, whichever the engine."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from jupyterhub import orm
from jupyterhub.user import User

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Area
from panosc_spawner.launch.model import Mount


def stored_user(person: str, server: str) -> User:
    """A user of the hub, in a database of their own, with the row of one server."""
    session = orm.new_session_factory("sqlite:///:memory:")()
    row = orm.User(name=person)
    row._orm_spawners.append(orm.Spawner(name=server))
    session.add(row)
    session.commit()
    return User(row, {})


def area_with_a_file(folder: Path, proposal: str, area: Area, read_only: bool, required: bool = True) -> Mount:
    """A proposal's area beneath ``folder/data`` with one file in it."""
    root = folder / "data"
    source = root / proposal / area
    source.mkdir(parents=True, exist_ok=True)
    (source / "frame.txt").write_text(f"{area} of {proposal}")
    target = PurePosixPath("/home/ada/proposals/esrf") / proposal / area
    return Mount(
        PurePosixPath(source), PurePosixPath(root), target, read_only, required, ProposalRef("esrf", proposal), area
    )
