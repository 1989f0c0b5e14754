"""Finding images, and the order in which they are built."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from images_support import BASE, LAYER, REPOSITORY, small_root, write_image

from panosc_spawner.errors import ConfigurationError, ImageError
from panosc_spawner.images.folder import find_root, read_folder, read_images


def test_each_stands_after_its_parent_whatever_they_are_called(tmp_path: Path) -> None:
    random.seed(5)
    names = [f"image{number}" for number in random.sample(range(40), 20)]
    write_image(tmp_path, "zz", BASE)
    for place, name in enumerate(names):
        parent = random.choice(["zz", *names[:place]])
        write_image(tmp_path, name, LAYER.replace('"base"', f'"{parent}"'))
    images = read_images(tmp_path)
    order = list(images.folders)
    assert sorted(order) == sorted([*names, "zz"])
    for name, folder in images.folders.items():
        if folder.image.from_:
            assert order.index(folder.image.from_) < order.index(name)


def test_what_is_wanted_and_what_it_stands_on_each_once(tmp_path: Path) -> None:
    images = small_root(tmp_path, a=LAYER, b=LAYER.replace('"base"', '"a"'), c=LAYER)
    assert [folder.name for folder in images.with_parents(["b", "a", "b"])] == ["base", "a", "b"]
    assert [folder.name for folder in images.chain("b")] == ["base", "a", "b"]


def test_a_circle_is_named(tmp_path: Path) -> None:
    for name, parent in (("a", "b"), ("b", "c"), ("c", "a")):
        write_image(tmp_path, name, LAYER.replace('"base"', f'"{parent}"'))
    with pytest.raises(ConfigurationError, match="in a circle: a → b → c → a"):
        read_images(tmp_path)


def test_a_parent_that_is_not_there(tmp_path: Path) -> None:
    write_image(tmp_path, "base", BASE)
    write_image(tmp_path, "layer", LAYER.replace('"base"', '"bse"'))
    with pytest.raises(ConfigurationError, match=r"from: there is no image 'bse' \(known: base, layer\)"):
        read_images(tmp_path)


@pytest.mark.parametrize("name", ["Base", "1st", "a--b", "a_b", "a.b", "-a", "a" * 40])
def test_names_that_no_tag_could_have(tmp_path: Path, name: str) -> None:
    write_image(tmp_path, name, BASE)
    with pytest.raises(ConfigurationError, match="cannot be an image's name"):
        read_images(tmp_path)


@pytest.mark.parametrize("part", ["files", "kernels", "notebooks", "setup", "setup-files", "verify"])
def test_a_part_that_is_a_link_is_refused(tmp_path: Path, part: str) -> None:
    folder = write_image(tmp_path, "layer", LAYER, proofs=False)
    (tmp_path / "private").mkdir()
    if (folder / part).is_dir():
        (folder / part).rmdir()
    (folder / part).symlink_to(tmp_path / "private")
    with pytest.raises(ConfigurationError, match=f"{part}.*is a link; only files of the image's own folder"):
        read_folder(folder)


def test_a_misspelt_name(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="did you mean desktop"):
        small_root(tmp_path, desktop=LAYER)["destop"]


def test_the_folder_is_found_from_beneath(tmp_path: Path) -> None:
    root = small_root(tmp_path).root
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find_root(tmp_path / "a" / "b") == root
    assert find_root(root / "base") == root
    with pytest.raises(ImageError, match="--images DIR"):
        find_root(Path("/"))


def test_ours() -> None:
    images = read_images(REPOSITORY / "images")
    assert next(iter(images.folders)) == "base"
    for folder in images.folders.values():
        assert folder.proofs(), f"{folder.name} has no verify script"
        assert folder.image.notebook in {path.name for path in folder.notebooks()}, folder.name
        assert folder.image.verify.imports, f"{folder.name} imports nothing"
