"""Filling the index from files: real ones, and such as somebody might leave there on purpose."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import nexusformat
import numpy as np
import pytest
import sasdata
from nexus_files import write
from panosc_portal.index.answer import Asker
from panosc_portal.index.command import main
from panosc_portal.index.harvest import DirectoryHarvest, Report, forget_others, harvest_places
from panosc_portal.index.language import read_filter
from panosc_portal.index.nexus import NexusReader
from panosc_portal.index.places import Place, place_for, places_of
from panosc_portal.index.store import IndexFault, Store
from support import make_site

CHOPPER = Path(nexusformat.__file__).parent / "examples" / "chopper.nxs"
SASDATA = Path(sasdata.__file__).parent / "example_data"
VISIT = "ma1234/id31/20250915/RAW_DATA/iron"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "index" / "index.sqlite")
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "nexus"
    made.mkdir()
    return made


def harvest(store: Store, place: Place, **more: Any) -> Report:
    reader = NexusReader(**more)
    try:
        return DirectoryHarvest(store, place, reader).run()
    finally:
        reader.close()


def found(store: Store, refs: frozenset[str] = frozenset(), **filter: Any) -> list[dict[str, Any]]:
    return Asker(store, refs).find(read_filter(filter, "Dataset"))


def outcomes(store: Store) -> dict[str, str]:
    with store.reading() as reader:
        return dict(reader.execute("SELECT path, outcome FROM origin").fetchall())


# --- Real files -------------------------------------------------------------------------------------------------------


def test_a_measurement_on_a_chopper_spectrometer(store: Store, folder: Path) -> None:
    shutil.copy(CHOPPER, folder / "chopper.nxs")
    report = harvest(store, place_for(folder))
    assert (report.read, report.failed, report.whole) == (1, 0, True)
    (one,) = found(store, include=["techniques", "samples", "parameters", "instrument", "files"])
    assert one["pid"] == "nexus/chopper.nxs"
    assert one["title"] == "MgB2 PDOS 43.37g 8K 120meV E0@240Hz T0@120Hz"
    assert one["creationDate"] == "2001-02-07T14:54:21.000Z"
    assert one["size"] == CHOPPER.stat().st_size == one["files"][0]["size"]
    assert (one["instrument"]["name"], one["instrument"]["facility"]) == ("LRMECS", "IPNS")
    assert one["techniques"][0]["panetId"].endswith("PaNET01245")
    assert one["samples"][0] == {**one["samples"][0], "name": "Magnesium Diboride", "description": "MgB2"}
    assert {(p["name"], p["value"], p["unit"]) for p in one["parameters"]} == {
        ("sample_temperature", 8, "K"),
        ("incident_energy", 130, "meV"),
        ("sample_chemical_formula", "MgB2", ""),
    }


def test_reduced_small_angle_data_of_four_facilities(store: Store, folder: Path) -> None:
    shutil.copytree(SASDATA, folder, dirs_exist_ok=True)
    report = harvest(store, place_for(folder))
    assert report.failed == 0 and report.read == 9
    scattering = [{"relation": "techniques", "scope": {"where": {"name": "small angle scattering"}}}]
    assert len(found(store, include=scattering)) == 9
    neutrons = [{"relation": "techniques", "scope": {"where": {"name": "small angle neutron scattering"}}}]
    assert {one["title"] for one in found(store, include=neutrons)} == {
        "MH4_5deg_16T_SLOW",
        "High C high V 63, 900oC, 10h 1.65T_SANS",
    }
    wavelength = {"name": "incident_wavelength", "value": {"between": [0.05, 0.06]}, "unit": "nm"}
    by_wavelength = found(store, include=[{"relation": "parameters", "scope": {"where": wavelength}}])
    assert {one["title"] for one in by_wavelength} >= {"VTMA13b_2_870C_297min_0072_mrg", "Lew_Sa3_0004_mrg"}


# --- Only what changed ------------------------------------------------------------------------------------------------


def test_only_what_changed_is_read_and_what_is_gone_is_taken_out(store: Store, folder: Path) -> None:
    first, second = write(folder / "a" / "1.nxs", "one"), write(folder / "b" / "2.h5", "two")
    write(folder / "notes.txt.h5x", "not looked at")
    assert harvest(store, place_for(folder)).read == 2
    again = harvest(store, place_for(folder))
    assert (again.read, again.unchanged) == (0, 2)
    write(first, "one, measured again")
    os.utime(first, ns=(1, time.time_ns()))
    second.unlink()
    third = harvest(store, place_for(folder))
    assert (third.read, third.unchanged, third.removed) == (1, 0, 1)
    assert [one["title"] for one in found(store)] == ["one, measured again"]
    assert found(store, query="two") == []


def test_a_harvest_that_is_broken_off_goes_on_and_takes_nothing_out(store: Store, folder: Path) -> None:
    for number in range(6):
        write(folder / f"{number}.nxs", f"scan {number}")
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    reader = NexusReader()
    broken = DirectoryHarvest(store, place_for(folder), reader, stop).run()
    assert (broken.read, broken.whole) == (3, False)
    assert len(found(store)) == 3
    whole = DirectoryHarvest(store, place_for(folder), reader).run()
    assert (whole.read, whole.unchanged, whole.whole) == (3, 3, True)
    asked = 0
    assert DirectoryHarvest(store, place_for(folder), reader, stop).run().removed == 0
    assert len(found(store)) == 6
    reader.close()


def test_a_directory_that_is_away_takes_nothing_out(store: Store, folder: Path) -> None:
    write(folder / "1.nxs")
    harvest(store, place_for(folder))
    folder.rename(folder.with_name("away"))
    report = harvest(store, place_for(folder))
    assert not report.whole and "cannot be listed" in str(report) and len(found(store)) == 1


def test_an_origin_that_the_site_does_not_name_any_more_is_forgotten(store: Store, folder: Path) -> None:
    write(folder / "1.nxs")
    harvest(store, place_for(folder))
    forget_others(store, ["other"])
    assert found(store) == []
    assert harvest(store, place_for(folder)).read == 1


# --- Whose they are ---------------------------------------------------------------------------------------------------


@pytest.fixture
def esrf(tmp_path: Path) -> Iterator[list[Place]]:
    """Two proposals' files beneath ESRF's directories."""
    site = make_site(tmp_path, "[portal.index]\nproposals = true\n")
    root = tmp_path / "data" / "esrf"
    write(root / VISIT / "iron.h5", "Iron")
    write(root / VISIT.replace("ma1234", "hc4711") / "ceria.h5", "Ceria", experiment_identifier="ma1234")
    write(root / "stray.h5", "In no proposal", experiment_identifier="ma1234")
    yield places_of(site)


def test_a_proposals_files_are_for_those_on_it_alone(store: Store, esrf: list[Place]) -> None:
    """By the path, whatever the file says: ceria.h5 claims to be of ma1234."""
    harvest_places(store, esrf)
    assert found(store) == []
    (mine,) = found(store, frozenset({"esrf/ma1234"}), include=["documents", "instrument"])
    assert mine["title"] == "Iron" and mine["isPublic"] is False
    assert mine["pid"] == f"esrf/{VISIT}/iron.h5"
    assert mine["documents"][0]["pid"] == "esrf/ma1234"
    assert mine["instrument"]["name"] == "ID31" and mine["instrument"]["facility"] == "ESRF"
    assert [one["title"] for one in found(store, frozenset({"esrf/hc4711"}))] == ["Ceria"]
    assert outcomes(store)["stray.h5"] == "in no proposal's area"


def test_where_the_templates_rule_a_file_cannot_say_whose_it_is(store: Store, esrf: list[Place]) -> None:
    whole = esrf[0]
    harvest(store, Place("data", whole.path, False, whole.facility, whole.paths))
    assert [one["title"] for one in found(store, frozenset({"esrf/ma1234"}))] == ["Iron"]
    assert "nobody may see it" in outcomes(store)["stray.h5"]


def test_a_directory_that_was_public_and_is_no_more_is_forgotten_before_it_is_read_again(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    site = make_site(tmp_path)
    write(folder / "1.nxs", "Iron", experiment_identifier="MA-1234")
    public = Place("data", folder, True, site.facilities["esrf"])
    harvest(store, public)
    assert len(found(store)) == 1
    closed = Place("data", folder, False, site.facilities["esrf"])
    assert harvest(store, closed).read == 1
    assert found(store) == [] and found(store, query="iron") == []
    assert [one["title"] for one in found(store, frozenset({"esrf/ma1234"}))] == ["Iron"]


def test_a_closed_file_of_no_proposal_is_shown_to_nobody(store: Store, folder: Path, tmp_path: Path) -> None:
    site = make_site(tmp_path)
    write(folder / "1.nxs", "Iron", experiment_identifier="../ma1234")
    report = harvest(store, Place("data", folder, False, site.facilities["esrf"]))
    assert report.failed == 1 and "nobody may see it" in outcomes(store)["1.nxs"]
    with store.reading() as reader:
        assert reader.execute("SELECT count(*) FROM dataset").fetchone() == (0,)


def test_what_its_owner_keeps_to_themselves_is_not_told(store: Store, folder: Path, tmp_path: Path) -> None:
    """The portal may run as root, to whom everything is open."""
    write(folder / "mine.nxs", "Mine", experiment_identifier="ma1234").chmod(0o600)
    write(folder / "team.nxs", "Team", experiment_identifier="ma1234").chmod(0o640)
    write(folder / "all.nxs", "All", experiment_identifier="ma1234").chmod(0o644)
    write(folder / "shut" / "all.nxs", "Shut", experiment_identifier="ma1234")
    (folder / "shut").chmod(0o700)
    harvest(store, place_for(folder))
    assert [one["title"] for one in found(store)] == ["All"]
    esrf = make_site(tmp_path).facilities["esrf"]
    harvest(store, Place("team", folder, False, esrf))
    told = found(store, frozenset({"esrf/ma1234"}), where={"isPublic": False})
    assert [one["title"] for one in told] == ["All", "Team"]


def test_one_proposals_many_files_take_nobodys_place(store: Store, esrf: list[Place], tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path / "data" / "esrf" / VISIT.replace("ma1234", "aa1") / f"{number}.h5", "Many")
    few = replace(esrf[0], most=2)
    report = harvest(store, few)
    assert "3 files are left out" in str(report)
    assert len(found(store, frozenset({"esrf/aa1"}))) == 2
    assert len(found(store, frozenset({"esrf/ma1234"}))) == 1
    (tmp_path / "data" / "esrf" / VISIT / "iron.h5").unlink()
    assert harvest(store, few).removed == 1  # what is gone is taken out all the same


def test_a_directory_that_cannot_be_listed_spares_what_is_in_it_alone(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = write(folder / "a" / "1.nxs", "one"), write(folder / "b" / "2.nxs", "two")
    harvest(store, place_for(folder))
    first.unlink()
    second.unlink()
    real = os.open

    def opened(path: Any, *arguments: Any, **more: Any) -> int:
        if path == "b":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", opened)
    report = harvest(store, place_for(folder))
    assert report.removed == 1 and "1 directories could not be listed" in str(report)
    assert [one["title"] for one in found(store)] == ["two"]


# --- Hostile files ----------------------------------------------------------------------------------------------------


def test_links_out_of_the_directory_are_not_followed(store: Store, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside / "secret.nxs", "Secret")
    write(folder / "1.nxs", "Mine")
    (folder / "link.nxs").symlink_to(outside / "secret.nxs")
    (folder / "links").symlink_to(outside)
    os.mkfifo(folder / "pipe.nxs")
    report = harvest(store, place_for(folder))
    assert (report.read, report.failed) == (1, 0)
    assert [one["title"] for one in found(store)] == ["Mine"]


@pytest.mark.parametrize(
    "way", ["external link", "soft link to an external link", "virtual", "external storage", "linked group"]
)
def test_a_file_cannot_say_what_stands_in_another_one(store: Store, folder: Path, tmp_path: Path, way: str) -> None:
    secret = write(tmp_path / "outside" / "secret.nxs", "Secret")
    (tmp_path / "outside" / "raw").write_bytes(np.array([300.0]).tobytes())
    with h5py.File(secret, "a") as file:
        file["entry/sample/temperature"] = np.array([300.0])
        file["entry/sample"].attrs["NX_class"] = "NXsample"
    with h5py.File(folder / "thief.nxs", "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        sample = entry.create_group("sample")
        sample.attrs["NX_class"] = "NXsample"
        if way == "external link":
            entry["title"] = h5py.ExternalLink(secret, "/entry/title")
        elif way == "soft link to an external link":
            file["out"] = h5py.ExternalLink(secret, "/entry")
            entry["title"] = h5py.SoftLink("/out/title")
        elif way == "linked group":
            file["other"] = h5py.ExternalLink(secret, "/entry")
        elif way == "virtual":
            layout = h5py.VirtualLayout((1,), "f8")
            layout[:] = h5py.VirtualSource(secret, "entry/sample/temperature", (1,))
            sample.create_virtual_dataset("temperature", layout)
        else:
            sample.create_dataset("temperature", (1,), "f8", external=[(str(tmp_path / "outside" / "raw"), 0, 8)])
    harvest(store, place_for(folder))
    (one,) = found(store, include=["parameters"])
    assert one["title"] == "thief" and one["parameters"] == []


def _garbage(path: Path) -> None:
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + os.urandom(4000))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _no_nexus(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = [1, 2, 3]


def _deep(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("/".join(["g"] * 3000))


@pytest.mark.parametrize("make", [_garbage, _empty, _no_nexus, _deep])
def test_what_cannot_be_read_is_counted_and_holds_nothing_up(store: Store, folder: Path, make: Any) -> None:
    make(folder / "0.nxs")
    write(folder / "1.nxs", "Good")
    report = harvest(store, place_for(folder))
    assert (report.read, report.failed) == (1, 1)
    assert outcomes(store)["0.nxs"] and [one["title"] for one in found(store)] == ["Good"]
    assert harvest(store, place_for(folder)).unchanged == 2  # not tried again until it changes


def test_a_file_with_enormous_texts_and_thousands_of_groups(store: Store, folder: Path) -> None:
    path = write(folder / "1.nxs", "T" * 5000)
    with h5py.File(path, "a") as file:
        for number in range(4000):
            file.create_group(f"entry/g{number}")
        file["entry/definition"] = "NXsas" * 100_000
        file.create_dataset("entry/sample/temperature", (10**9,), "f8", chunks=(10**6,), compression="gzip")
        file["entry/sample"].attrs["NX_class"] = "NXsample"
    assert harvest(store, place_for(folder)).read == 1
    (one,) = found(store)
    assert len(one["title"]) <= 1000


# --- The command ------------------------------------------------------------------------------------------------------


def test_the_command_says_what_it_did(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(CHOPPER, folder)
    _garbage(folder / "broken.nxs")
    assert main([str(folder), "--into", str(tmp_path / "own.sqlite")]) == 0
    said = capsys.readouterr().out
    assert "1 read" in said and "1 could not be read" in said and "1 data sets in" in said
    assert "1 x is no HDF5 file that can be read" in said


def test_two_do_not_bring_it_up_to_date_at_a_time(tmp_path: Path, esrf: list[Place]) -> None:
    portals = Store(tmp_path / "state" / "portal" / "index.sqlite")
    with portals.harvested(), pytest.raises(IndexFault, match="just now, by the portal or by a command"):
        main([str(tmp_path / "site")])
    portals.close()
    assert main([str(tmp_path / "site")]) == 0


def test_the_command_indexes_a_site(tmp_path: Path, esrf: list[Place], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "site")]) == 0
    assert "esrf: 2 read" in capsys.readouterr().out
    assert (tmp_path / "state" / "portal" / "index.sqlite").stat().st_mode & 0o777 == 0o600
