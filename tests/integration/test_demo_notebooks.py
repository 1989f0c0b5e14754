"""Every start page runs to its last figure, in a server's own view of the data."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import nbformat
import pytest
from local_support import LocalBench, local_bench

from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Account, Person
from panosc_spawner.launch.model import LaunchPlan, Selection
from panosc_spawner.launch.plan import plan
from panosc_spawner.proposals.book import GrantBook

__all__ = ["local_bench"]

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
_PEOPLE = {"marie": 6, "tom": 1}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The demo's site with its data."""
    folder = tmp_path_factory.mktemp("demo")
    code = (
        "import sys; from pathlib import Path; from datetime import datetime; import demo_site, sample_data\n"
        "folders = demo_site.Folders(Path(sys.argv[1]), 'local')\n"
        "demo_site.write_site(folders, demo_site.Ports(8000, 8001, 8002, 8003, 8004, 8005, 8006, 8007), datetime.now().astimezone())\n"
        "list(sample_data.make_all(folders.data))"
    )
    env = {"PYTHONPATH": str(ROOT / "deploy" / "demo"), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code, str(folder)], env=env, check=True)
    return load_site(folder / "site")


async def planned(site: Site, name: str) -> LaunchPlan:
    """One server with all proposals of a persona."""
    assert site.config.account and site.config.account.kind == "table"
    [(subject, row)] = [(key, row) for key, row in site.config.account.people.items() if row.name == name]
    person = Person(site.config.login.issuer, subject, f"p-{name}", name, "demo", datetime.now(UTC))
    grants = (await GrantBook(site).report(person)).grants
    accounts = dict.fromkeys(site.facilities, Account(row.name, row.uid, row.gid))
    selection = Selection(tuple(grant.ref for grant in grants))
    made = plan(person, grants, selection, site, accounts, datetime.now(UTC))
    assert isinstance(made, LaunchPlan), made
    return made


@pytest.mark.parametrize("name", _PEOPLE)
async def test_start_pages_end_in_a_figure(local_bench: LocalBench, site: Site, name: str):
    made = await planned(site, name)
    assert len(made.start_pages) == _PEOPLE[name]
    spawner = local_bench.spawner(made)
    await spawner.start()
    for page in made.start_pages:
        output = f"~/{page.parts[2]}.ipynb"
        command = (
            f"cd {PurePosixPath('~') / page.parent} && {sys.executable} -m nbconvert --to notebook --execute --stdout"
        )
        code, said = await local_bench.inside(
            spawner, f"{command} start-here.ipynb 2>/tmp/said >{output} || tail -30 /tmp/said"
        )
        book = nbformat.read(Path(made.home.source) / f"{page.parts[2]}.ipynb", as_version=4) if code == 0 else None
        assert book, f"{page}: {said}"
        last = [cell for cell in book.cells if cell.cell_type == "code"][-1]
        assert any("image/png" in output.get("data", {}) for output in last.outputs), f"{page}: {said}"
        warnings = [
            output.text for cell in book.cells for output in cell.get("outputs", []) if output.get("name") == "stderr"
        ]
        assert not [text for text in warnings if "IPKernelApp" not in text], page
