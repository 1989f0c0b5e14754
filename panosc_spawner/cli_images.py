"""``panosc-hub images …``: build, lock, prove and describe the images that the hub starts."""

from __future__ import annotations

import argparse
import fcntl
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panosc_spawner.errors import ConfigurationError, ImageError
from panosc_spawner.images.folder import Folder, Images, find_root, read_images

if TYPE_CHECKING:
    from panosc_spawner.images.record import Measured


def add_parser(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser("images", help="list, build, verify, lock and describe the images that servers run in")
    parser.add_argument("--images", type=Path, metavar="DIR", help="the folder of images; found from here if not given")
    actions = parser.add_subparsers(required=True, metavar="WHAT")
    _action(actions, "list", "what images there are, and which are here", _list)
    build = _action(actions, "build", "build images and what they stand on", _build, names=True)
    build.add_argument("--unproven", action="store_true", help="also what has no proofs yet; tagged :unproven")
    build.add_argument("--verify", action="store_true", help="prove each; only what is proven gets its name")
    build.add_argument(
        "--record", action="store_true", help="write images/sizes.toml: sizes, and the times of builds and proofs"
    )
    build.add_argument(
        "--with", action="append", default=[], dest="sources", metavar="NAME=ADDRESS#SHA256",
        help="add a program that has no package from its source, as the image's [sources] say",
    )  # fmt: skip
    build.add_argument(
        "--again", action="store_true", help="also what has not changed, without caches, on today's Debian"
    )
    verify = _action(actions, "verify", "prove built images in containers as hard as the hub's", _verify, names=True)
    verify.add_argument("--only", metavar="PART", help="only scripts and notebooks with this in their name")
    verify.add_argument("--json", action="store_true", help="for programs")
    _action(
        actions, "docs", "write docs/environments, and the hub's words for images, anew from the descriptions", _docs
    )
    _action(actions, "environment", "an image as a table for a facility's file", _environment, names=True)
    _action(actions, "scan", "ask trivy or grype for known vulnerabilities (needs a network)", _scan, names=True)
    _action(actions, "lock", "make lock files anew: the newest versions that are allowed", _lock, names=True)


def _action(actions: Any, word: str, words: str, run: Callable[..., int], *, names: bool = False) -> Any:
    parser = actions.add_parser(word, help=words, description=words)
    if names:
        parser.add_argument("names", nargs="+", metavar="NAME", help="an image; 'all' for all of them")
    parser.set_defaults(run=_in_words(run))
    return parser


def _in_words(run: Callable[[argparse.Namespace, Images], int]) -> Callable[[argparse.Namespace], int]:
    """A command that reads the images first, and says in words what is wrong."""

    def command(arguments: argparse.Namespace) -> int:
        try:
            images = read_images((arguments.images or find_root(Path.cwd())).absolute())
            with _alone(images) if run in (_build, _verify) else nullcontext():
                return run(arguments, images)
        except (ConfigurationError, ImageError) as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130

    return command


@contextmanager
def _alone(images: Images) -> Iterator[None]:
    """One build or proof of a folder at a time: they share the names of what is not proven yet, and where pictures go."""
    _work(images).mkdir(parents=True, exist_ok=True)
    with (_work(images) / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another build or proof of these images is under way; waiting for it", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _list(arguments: argparse.Namespace, images: Images) -> int:
    from panosc_spawner.images import client
    from panosc_spawner.images.build import tag_of

    for name, folder in images.folders.items():
        found = client.inspect_image(tag_of(folder))
        here = f"{found['Size'] / 1e6:.0f} MB" if found else "not built"
        print(f"{name:<14} {folder.image.from_ or 'Debian':<14} {here:>10}  {folder.image.title}")
    return 0


def _build(arguments: argparse.Namespace, images: Images) -> int:
    from panosc_spawner.images import record, sources

    given = [sources.parse(text) for text in arguments.sources]
    images = sources.with_sources(images, _names(arguments, images), given, _work(images) / "sources", _say)
    measured: dict[str, record.Measured] = {}
    try:
        proven = _build_each(arguments, images, measured)
    finally:  # not sooner: a changed file in images/ would make the later images' commit "-changed"
        if arguments.record and measured:
            record.write(images.root, measured)
    for name, one in measured.items():
        _say(_as_line(name, one))
    return int(not proven)


def _build_each(arguments: argparse.Namespace, images: Images, measured: dict[str, Measured]) -> bool:
    """Build, and perhaps prove, one image after the other; whether all were proven. What is measured is added."""
    from panosc_spawner.images import record
    from panosc_spawner.images.build import build_images, keep
    from panosc_spawner.images.verify import verify_image

    known = record.read(images.root)
    for folder in images.with_parents(_names(arguments, images)):
        (built,) = build_images(
            images, [folder.name], logs=_work(images) / "build", say=_say,
            unproven=arguments.unproven, again=arguments.again, parents=False, candidates=arguments.verify,
        )  # fmt: skip
        if not arguments.verify:
            if built.tag == folder.tag:
                measured[folder.name] = record.measured(built, None, known.get(folder.name))
            continue
        started = time.monotonic()
        candidate = replace(folder, candidate=True)
        report = verify_image(candidate, images, _work(images) / folder.name, _say)
        took = time.monotonic() - started
        if not report.ok:
            _say(_not_proven(folder, report.image))
            return False  # what stands on it would stand on nothing
        keep(folder)
        measured[folder.name] = record.measured(built, took, known.get(folder.name))
    return True


def _as_line(name: str, one: Measured) -> str:
    times = {"built": one.build, "proven": one.verify}
    words = [f"{what} in {seconds:>4} s" for what, seconds in times.items() if seconds is not None]
    return "  ".join([f"{name:<16} {one.size:>5} MB  +{one.adds:>5} MB", *words])


def _not_proven(folder: Folder, candidate: str) -> str:
    """What became of an image that failed its proof, and of the one before it."""
    from panosc_spawner.images import client

    here = client.inspect_image(folder.tag)
    other = f"{folder.tag} is still the one before it" if here else f"there is no {folder.tag}"
    return f"{folder.name}: not proven, so it stays {candidate}, to be looked at; {other}"


def _verify(arguments: argparse.Namespace, images: Images) -> int:
    from panosc_spawner.images.verify import verify_image

    reports = []
    for folder in _folders(arguments, images):
        if not arguments.json:
            _say(f"{folder.name}:")
        say = _quiet if arguments.json else _say
        reports.append(verify_image(folder, images, _work(images) / folder.name, say, arguments.only))
    if arguments.json:
        _say(json.dumps([report.to_json() for report in reports], indent=2))
    else:
        for report in reports:
            wrong = sum(not check.ok for check in report.checks)
            _say(f"{report.image}: {f'{wrong} of {len(report.checks)} checks failed' if wrong else 'proven'}")
    return int(not all(report.ok for report in reports))


def _lock(arguments: argparse.Namespace, images: Images) -> int:
    from panosc_spawner.images.locks import lock_image

    for folder in _folders(arguments, images):
        for file in lock_image(folder, images):
            _say(f"{file} is made")
    return 0


def _docs(arguments: argparse.Namespace, images: Images) -> int:
    from panosc_spawner.images import docs
    from panosc_spawner.images.environment import all_as_toml

    repository = images.root.parent
    for file in docs.write(images, repository / "docs" / "environments"):
        _say(f"{file} is written")
    words = repository / "panosc_spawner" / "facilities" / "environments.toml"
    if words.is_file():
        words.write_text(all_as_toml(images), "utf-8")
        _say(f"{words} is written")
    return 0


def _environment(arguments: argparse.Namespace, images: Images) -> int:
    from panosc_spawner.images.environment import as_toml, environment

    tables = [as_toml(folder.name, environment(folder, images)) for folder in _folders(arguments, images)]
    _say("\n".join(tables).rstrip("\n"))
    return 0


def _scan(arguments: argparse.Namespace, images: Images) -> int:
    from panosc_spawner.images.scan import scan

    clean = True
    for folder in _folders(arguments, images):
        words, ok = scan(folder)
        _say(words)
        clean = clean and ok
    return int(not clean)


def _names(arguments: argparse.Namespace, images: Images) -> list[str]:
    return [folder.name for folder in _folders(arguments, images)]


def _folders(arguments: argparse.Namespace, images: Images) -> list[Folder]:
    """The images that are named, each after its parent."""
    names = list(images.folders) if "all" in arguments.names else [images[name].name for name in arguments.names]
    return [folder for name, folder in images.folders.items() if name in names]


def _work(images: Images) -> Path:
    return images.root.parent / ".test" / "images"


def _quiet(words: str) -> None:
    """Say nothing: the reader is a program."""


def _say(words: str) -> None:
    print(words, flush=True)
