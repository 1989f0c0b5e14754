"""Lock files: what they may hold, what of them goes where, and that ours are those of today's descriptions."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from images_support import HASH, LAYER, REPOSITORY, lock_text, small_root

from panosc_spawner.errors import ImageError
from panosc_spawner.images import locks
from panosc_spawner.images.folder import Folder, Images, read_images

OURS = read_images(REPOSITORY / "images")


def written(directory: Path, text: str) -> Path:
    """A lock file."""
    file = directory / "requirements.lock"
    file.write_text(text)
    return file


def test_blocks_and_versions(tmp_path: Path) -> None:
    text = f"# made\nA-b_c==1.0.post1 \\\n    {HASH} \\\n    {HASH}\n    # via x\nd==2!3+cu\\\n    {HASH}\n"
    blocks = locks.read_lock(written(tmp_path, text))
    assert locks.versions(blocks) == {"a-b-c": "1.0.post1", "d": "2!3+cu"}
    assert blocks["a-b-c"].count("--hash") == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"--index-url https://example.org/simple\na==1 \\\n    {HASH}\n", "line 1 holds an address"),
        (f"a @ https://example.org/a.whl \\\n    {HASH}\n", "line 1 holds an address"),
        (f"a==1 \\\n    {HASH}\n--find-links /wheels\n", "line 3 is not understood"),
        ("a==1 \\\n    --hash=md5:0\n", "line 2 is not understood"),
        ("a==1\n", "a has no hash"),
        (f"a==1\nb==1 \\\n    {HASH}\n", "a has no hash"),
        (f"a>=1 \\\n    {HASH}\n", "line 1 is not understood"),
        (f"    {HASH}\n", "line 1 is not understood"),
    ],
)
def test_a_lock_with_anything_else_in_it(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        locks.read_lock(written(tmp_path, text))


def test_a_lock_that_is_missing_is_made_by_a_command(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="panosc-hub images lock esrf"):
        locks.read_lock(tmp_path / "esrf" / "requirements.lock")
    with pytest.raises(ImageError, match="panosc-hub images lock esrf"):
        locks.read_lock(tmp_path / "esrf" / "kernels" / "old.lock")


def test_what_is_built_from_source_is_taken_out_of_what_is_downloaded(tmp_path: Path) -> None:
    file = written(tmp_path, lock_text(fisx="1.3", scipp="26"))
    downloaded, built = locks.split(locks.read_lock(file), ["FISX"], file)
    assert downloaded.startswith("scipp==26") and "fisx" not in downloaded
    assert built.startswith("fisx==1.3") and HASH in built
    with pytest.raises(ImageError, match="other is to be built from source, but is not locked"):
        locks.split(locks.read_lock(file), ["other"], file)


def test_what_a_parent_has_is_not_installed_again(tmp_path: Path) -> None:
    images = small_root(tmp_path, a=LAYER, b=LAYER.replace('"base"', '"a"'))
    images["base"].lock.write_text(lock_text(numpy="2"))
    images["a"].lock.write_text(lock_text(scipy="1"))
    images["b"].lock.write_text(lock_text(scipp="26", Scipy="1"))
    locks.check_against_parents(images["a"], images)
    with pytest.raises(ImageError, match="scipy is in a already"):
        locks.check_against_parents(images["b"], images)


FAKE_UV = f"""#!{sys.executable}
import pathlib, sys
words = sys.argv[1:]
given = pathlib.Path(words[words.index("--override") + 1]).with_name("given.txt")
out = pathlib.Path(words[words.index("--output-file") + 1])
requirements = (out.with_name("requirements.in")).read_text()
if "impossible" in requirements:
    sys.exit("No solution found")
pathlib.Path({{record!r}}).write_text("\\n".join([*words, "--", requirements, "--",
    out.with_name("overrides.txt").read_text()]))
out.write_text({{made!r}})
"""


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a stand-in for uv writes down what it was asked."""
    record, uv = tmp_path / "asked.txt", tmp_path / "uv"
    made = "# made by uv\n" + lock_text(scipp="26")
    uv.write_text(FAKE_UV.replace("{record!r}", repr(str(record))).replace("{made!r}", repr(made)))
    uv.chmod(0o755)
    monkeypatch.setattr(locks, "_uv", lambda: str(uv))
    return record


def test_parents_bind_and_are_left_out(tmp_path: Path, record: Path) -> None:
    pip = '[pip]\nrequirements = ["scipp>=26"]\nwithout = ["Lark"]\nwheels = ["extensions/thing"]\n'
    images = small_root(tmp_path, layer=LAYER + pip)
    images["base"].lock.write_text(lock_text(numpy="2.1"))
    project = tmp_path / "extensions" / "thing" / "pyproject.toml"
    project.parent.mkdir(parents=True)
    project.write_text('[project]\nname = "panosc_thing"\n')
    assert locks.lock_image(images["layer"], images) == [images["layer"].lock]
    asked = record.read_text()
    assert f"--constraint\n{images['base'].lock}" in asked
    assert "--no-emit-package\nnumpy\n" in asked and "--no-emit-package\nlark\n" in asked
    assert "lark; sys_platform == 'never'" in asked
    assert str(project) in asked
    # Nothing that only this machine has.
    assert locks.versions(locks.read_lock(images["layer"].lock)) == {"scipp": "26"}
    assert str(tmp_path) not in images["layer"].lock.read_text()


def test_a_second_python_has_a_lock_of_its_own_for_its_debian(tmp_path: Path, record: Path) -> None:
    kernel = '[kernels.old]\ntitle = "Old"\ndebian = "bookworm"\nrequirements = ["numpy<1.24"]\n'
    images = small_root(tmp_path, layer=LAYER + kernel)
    images["base"].lock.write_text(lock_text(numpy="2.1"))
    assert locks.lock_image(images["layer"], images) == [images["layer"].kernel_lock("old")]
    asked = record.read_text()
    assert "--python-version\n3.11\n" in asked and "manylinux_2_36" in asked
    assert "numpy<1.24\nipykernel" in asked  # without it, there would be no kernel
    assert "--constraint" not in asked


def test_what_cannot_be_had_is_said_in_uvs_words_and_the_old_lock_stays(tmp_path: Path, record: Path) -> None:
    images = small_root(tmp_path, layer=LAYER + '[pip]\nrequirements = ["impossible"]\n')
    images["layer"].lock.write_text(lock_text(scipp="25"))
    with pytest.raises(ImageError, match="No solution found"):
        locks.lock_image(images["layer"], images)
    assert images["layer"].lock.read_text() == lock_text(scipp="25")


def test_a_description_that_was_changed_without_its_lock(tmp_path: Path) -> None:
    pip = '[pip]\nrequirements = ["scipp>=26", "fisx<2", "numpy", "old; python_version<\'3.13\'"]\nwithout = ["Lark"]\n'
    images = small_root(tmp_path, layer=LAYER + pip)
    images["base"].lock.write_text(lock_text(numpy="2.1"))
    layer = images["layer"]
    layer.lock.write_text(lock_text(scipp="26.9", fisx="1.3"))
    locks.check_against_description(layer, images)
    layer.lock.write_text(lock_text(scipp="25.9", fisx="1.3"))
    with pytest.raises(ImageError, match=r"scipp>=26 \(locked: 25\.9\); panosc-hub images lock layer mends it"):
        locks.check_against_description(layer, images)
    layer.lock.write_text(lock_text(scipp="26.9"))
    with pytest.raises(ImageError, match=r"fisx<2 \(locked: nothing\)"):
        locks.check_against_description(layer, images)


def test_what_a_wheel_of_this_repository_requires_is_locked_too(tmp_path: Path) -> None:
    images = small_root(tmp_path, layer=LAYER + '[pip]\nwheels = ["extensions/thing"]\nwithout = ["Lark"]\n')
    project = tmp_path / "extensions" / "thing" / "pyproject.toml"
    project.parent.mkdir(parents=True)
    project.write_text('[project]\nname = "thing"\ndependencies = ["isal>=1.7", "lark"]\n')
    images["layer"].lock.write_text(lock_text(isal="1.6"))
    with pytest.raises(ImageError, match=r"isal>=1\.7 \(locked: 1\.6\)$|isal>=1\.7 \(locked: 1\.6\);"):
        locks.check_against_description(images["layer"], images)
    images["layer"].lock.write_text(lock_text(isal="1.8"))
    locks.check_against_description(images["layer"], images)


def test_a_second_pythons_lock_is_compared_as_well(tmp_path: Path) -> None:
    kernel = '[kernels.old]\ntitle = "Old"\ndebian = "bookworm"\nrequirements = ["numpy<1.24"]\n'
    images = small_root(tmp_path, layer=LAYER + kernel)
    file = images["layer"].kernel_lock("old")
    file.parent.mkdir()
    file.write_text(lock_text(numpy="1.23"))
    with pytest.raises(ImageError, match=r"old\.lock is not of today's image\.toml: ipykernel \(locked: nothing\)"):
        locks.check_against_description(images["layer"], images)
    file.write_text(lock_text(numpy="1.23", ipykernel="7"))
    locks.check_against_description(images["layer"], images)


@pytest.mark.parametrize("folder", OURS.folders.values(), ids=lambda folder: folder.name)
def test_our_locks_are_those_of_todays_descriptions(folder: Folder, images: Images = OURS) -> None:
    locks.check_against_parents(folder, images)
    locks.check_against_description(folder, images)
    if folder.lock.exists():
        locks.split(locks.read_lock(folder.lock), folder.image.pip.build, folder.lock)
    for name, kernel in folder.image.kernels.items():
        locks.split(locks.read_lock(folder.kernel_lock(name)), kernel.build, folder.kernel_lock(name))
