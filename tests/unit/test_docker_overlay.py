"""The person's lines in an image's passwd and group files."""

from __future__ import annotations

import os
import time
from pathlib import Path

from panosc_spawner.identity.person import Account
from panosc_spawner.spawners.docker_overlay import GROUP, PASSWD, Overlays, group, passwd

IMAGE_PASSWD = "root:x:0:0:root:/root:/bin/bash\n# a comment\njovyan:x:1000:1000::/home/jovyan:/bin/sh\n"
IMAGE_GROUP = "root:x:0:\nusers:x:100:\njovyan:x:1000:\nvideo:x:44:mo\nada:x:7:\n"


def test_the_person_is_first_and_the_image_keeps_its_own():
    assert passwd(IMAGE_PASSWD, Account("ada", 20123, 100), "/home/ada").splitlines() == [
        "ada:x:20123:100::/home/ada:/bin/bash",
        "root:x:0:0:root:/root:/bin/bash",
        "jovyan:x:1000:1000::/home/jovyan:/bin/sh",
    ]


def test_a_line_of_the_images_with_the_same_name_or_number_gives_way():
    assert "jovyan" not in passwd(IMAGE_PASSWD, Account("ada", 1000, 100), "/home/ada")
    assert passwd(IMAGE_PASSWD, Account("jovyan", 20123, 100), "/home/jovyan").count("jovyan:x:") == 1


def test_groups_keep_the_images_names_and_new_ones_get_numbers():
    lines = group(IMAGE_GROUP, Account("eve", 20123, 20123, (44, 5000))).splitlines()
    assert lines[:2] == ["eve:x:20123:eve", "g5000:x:5000:eve"]
    assert "video:x:44:mo,eve" in lines
    assert "root:x:0:" in lines


def test_a_group_name_is_never_given_twice():
    lines = group(IMAGE_GROUP, Account("ada", 20123, 20123)).splitlines()
    assert lines[0] == "g20123:x:20123:ada"
    assert "ada:x:7:" in lines


def test_an_empty_image_has_at_least_the_person():
    account = Account("ada", 20123, 20100, (5,))
    assert passwd("", account, "/home/ada") == "ada:x:20123:20100::/home/ada:/bin/bash\n"
    assert group("", account) == "ada:x:20100:ada\ng5:x:5:ada\n"


def test_a_directory_that_is_written_again_is_young_or_the_keeper_takes_it_away(tmp_path: Path):
    overlays = Overlays(tmp_path, {})
    overlays._images["image"] = {PASSWD: "", GROUP: ""}
    (tmp_path / "server").mkdir()
    for _ in range(2):
        overlays.write(None, "server", "image", Account("ada", 20001, 20001), "/home/ada")  # type: ignore[arg-type]
        assert time.time() - (tmp_path / "server").stat().st_mtime < 60
        os.utime(tmp_path / "server", (1, 1))
