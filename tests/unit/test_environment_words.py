"""What the hub offers says what its images say of themselves."""

from __future__ import annotations

import tomllib
from pathlib import Path

from panosc_spawner.facilities.load import load_facility, shipped_facilities
from panosc_spawner.images.environment import environment
from panosc_spawner.images.folder import read_images
from panosc_spawner.panet import ids_named

ROOT = Path(__file__).parents[2]
FILE = ROOT / "panosc_spawner/facilities/environments.toml"


def test_they_are_the_images_own_words() -> None:
    """Else: ``panosc-hub images docs`` makes the file anew."""
    offered = tomllib.loads(FILE.read_text())["environments"]
    images = read_images(ROOT / "images")
    made = {name: environment(folder, images) for name, folder in images.folders.items()}
    assert sorted(offered) == sorted(made)
    for name, table in made.items():
        assert offered[name] == table, name


def test_techniques_are_terms_of_panet() -> None:
    """The search suggests environments by technique, and harvesters read the terms' addresses."""
    for name, table in tomllib.loads(FILE.read_text())["environments"].items():
        for technique in table.get("techniques", []):
            assert ids_named(technique), f"{name}: {technique} is no term of PaNET"


def test_each_image_is_offered_somewhere() -> None:
    offered = {key for name in shipped_facilities() for key in load_facility(name).environments}
    assert offered == set(tomllib.loads(FILE.read_text())["environments"])


def test_each_facility_suggests_its_own() -> None:
    own = {"esrf": "esrf", "ill": "ill", "euxfel": "xfel", "ess": "ess", "ceric": "ceric", "eli": "eli"}
    for facility, key in own.items():
        assert load_facility(facility).environments[key].instruments, facility
