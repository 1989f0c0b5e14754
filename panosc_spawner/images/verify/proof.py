"""All checks of one image, in the order of how fast they fail."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from panosc_spawner.images import client
from panosc_spawner.images.build import tag_of
from panosc_spawner.images.folder import Folder, Images
from panosc_spawner.images.verify import files, materials, person
from panosc_spawner.images.verify.container import INSIDE, Hardened, pictures_directory, readable
from panosc_spawner.images.verify.report import CheckFailed, Report


def verify_image(
    folder: Folder, images: Images, pictures: Path, say: Callable[[str], None], only: str | None = None
) -> Report:
    """Prove an image.

    Args:
        folder: its folder.
        images: all images; its parent is among them.
        pictures: where the pictures and executed notebooks go.
        say: told each check when it has ended.
        only: a part of the names of scripts and notebooks; nothing else is then looked at.
    """
    tag = tag_of(folder)
    report = Report(tag, say)
    if client.inspect_image(tag) is None:
        report.check("the image is here", lambda: _fail(f"{tag} is not built: panosc-hub images build {folder.name}"))
        return report
    mounts = {"/inside": INSIDE} | ({"/verify": folder.path / "verify"} if folder.proofs() else {})
    try:
        for path in mounts.values():
            readable(path)
    except CheckFailed as error:
        words = str(error)
        report.check("containers can read what proves it", lambda: _fail(words))
        return report
    with pictures_directory(pictures) as directory:
        hardened = Hardened(tag, int(folder.image.verify.memory), mounts, directory)
        if only is None:
            _generic(report, folder, images, hardened)
        _own(report, folder, hardened, only or "")
    return report


def _generic(report: Report, folder: Folder, images: Images, hardened: Hardened) -> None:
    """What every image must be."""
    tag = hardened.tag
    report.check("it is small enough", lambda: files.size(folder, images))
    report.check("its labels say what it is", lambda: files.labels(folder))
    report.check("no file runs as somebody else", lambda: files.no_setuid(tag))
    report.check(
        "there is the compiler it needs" if folder.image.compiler else "no compiler", lambda: files.no_compiler(folder)
    )
    report.check("nothing of the build is left", lambda: files.no_leftovers(tag))
    report.check("no secrets in layers, settings and files", lambda: files.no_secrets(tag))
    report.check("a stranger has a name, and git works", lambda: person.stranger_has_a_name(hardened))
    report.check("the hub's name for a person wins", lambda: person.hub_names_the_person(tag))
    report.check("a person can install packages for themselves", lambda: person.installs_for_oneself(hardened))
    report.check("its software is described, with versions", lambda: materials.description(hardened, folder))
    report.check("its bill of materials is valid and complete", lambda: materials.bill_of_materials(hardened))
    report.check("its packages import", lambda: person.imports(hardened, folder.image.verify.imports))
    report.check("JupyterLab answers, and stops within a second", lambda: person.lab_answers_and_stops(hardened))


def _own(report: Report, folder: Folder, hardened: Hardened, only: str) -> None:
    """What the image's own scripts and notebooks prove."""
    proofs = [path for path in folder.proofs() if only in path.name]
    notebooks = [path for path in folder.notebooks() if only in path.name]
    for proof in proofs:
        report.check(f"verify/{proof.name}", lambda proof=proof: _script(hardened, proof, folder))  # type: ignore[misc]
    for notebook in notebooks:
        report.check(
            f"notebooks/{notebook.name}",
            lambda notebook=notebook: _notebook(hardened, notebook, folder),  # type: ignore[misc]
        )
    if only and not proofs and not notebooks:
        report.check("what is asked for", lambda: _fail(f"no script or notebook has {only!r} in its name"))
    if not only and not (folder.proofs() and folder.notebooks()):
        report.check(
            "it has proofs", lambda: _fail("no verify, no image: verify/*.py and notebooks/*.ipynb are needed")
        )


def _script(hardened: Hardened, proof: Path, folder: Folder) -> str:
    """Run a script: it asserts, prints ``result: …`` lines, and saves one picture."""
    picture = f"{proof.stem}.png"
    said = hardened.run(
        "python", f"/verify/{proof.name}", seconds=folder.image.verify.seconds,
        environment={"PANOSC_PICTURE": f"/pictures/{picture}", "MPLBACKEND": "agg"},
    )  # fmt: skip
    results = [line for line in said.splitlines() if line.startswith("result: ")]
    if not results:
        raise CheckFailed('it printed no line that begins with "result: "')
    return "\n".join([*results, *_picture(hardened, picture)])


def _picture(hardened: Hardened, name: str) -> list[str]:
    path = hardened.pictures / name if hardened.pictures else None
    if path is None or not path.is_file():
        raise CheckFailed("it saved no picture to PANOSC_PICTURE")
    if not path.read_bytes().startswith(b"\x89PNG\r\n"):
        raise CheckFailed("what it saved to PANOSC_PICTURE is not a PNG picture")
    return [f"picture: {path}"]


def _notebook(hardened: Hardened, notebook: Path, folder: Folder) -> str:
    """Execute a notebook as a person would, from a copy in their home, and look for errors and red output."""
    seconds = folder.image.verify.seconds
    started = time.monotonic()
    said = hardened.run(
        "python", "/inside/notebook.py", f"/opt/panosc/notebooks/{folder.name}", notebook.name, str(seconds),
        seconds=seconds + 30,
    )  # fmt: skip
    return f"{said}\nexecuted in {time.monotonic() - started:.0f} s"


def _fail(words: str) -> str:
    raise CheckFailed(words)
