"""Links: hard and soft cycles, dangling, external in and out of the root, of a kind that nobody knows."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from corpus.catalogue import recipe


@recipe("inside/links.h5", root="inside")
def links(folder: Path) -> None:
    """Links of every kind; the root is the folder ``inside``, and some lead out of it."""
    inside, outside = folder / "inside", folder / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "sub").mkdir()
    _small(outside / "secret.h5")
    _small(inside / "sub" / "target.h5")
    (inside / "way_out").symlink_to("../outside")
    (inside / "symlink.h5").symlink_to("sub/target.h5")
    (inside / "symlink_out.h5").symlink_to("../outside/secret.h5")
    (inside / "text.h5").write_text("this is no HDF5 file\n")
    with h5py.File(inside / "links.h5", "w") as file:
        file["data"] = np.arange(20.0)
        file["group/inner"] = np.ones((30, 40))
        _cycles(file)
        _soft(file)
        _external(file, folder.parent / "links" / "outside")
    _unknown_kind(inside / "links.h5", b"unknown_kind")
    _external_cycle(inside)


def _small(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        entry["data"] = np.arange(12).reshape(3, 4)
        entry["back"] = h5py.ExternalLink("../links.h5", "/data")


def _cycles(file: h5py.File) -> None:
    file["group/itself"] = file["group"]
    file["group/root"] = file["/"]
    file["group/hard_to_data"] = file["data"]
    file["soft_self"] = h5py.SoftLink("/soft_self")
    file["soft_a"] = h5py.SoftLink("/soft_b")
    file["soft_b"] = h5py.SoftLink("/soft_a")
    file["soft_deeper"] = h5py.SoftLink("/soft_deeper/more")
    file["ring/soft_to_parent"] = h5py.SoftLink("/ring")
    for number in range(1, 40):
        file[f"chain/{number:02d}"] = h5py.SoftLink(f"/chain/{number - 1:02d}")
    file["chain/00"] = file["data"]


def _soft(file: h5py.File) -> None:
    file["soft_to_data"] = h5py.SoftLink("/data")
    file["soft_to_group"] = h5py.SoftLink("group")
    file["soft_relative"] = h5py.SoftLink("./group/inner")
    file["soft_dot_dot"] = h5py.SoftLink("group/../data")
    file["soft_slashes"] = h5py.SoftLink("//group//inner//")
    file["soft_dangling"] = h5py.SoftLink("/no/such/thing")
    file["soft_into_data"] = h5py.SoftLink("/data/deeper")
    file["soft_long"] = h5py.SoftLink("/" + "x/" * 30_000)


def _external(file: h5py.File, outside: Path) -> None:
    targets = {
        "in": ("sub/target.h5", "/entry/data"),
        "in_group": ("sub/target.h5", "/entry"),
        "in_root": ("sub/target.h5", "/"),
        "in_by_symlink": ("symlink.h5", "/entry/data"),
        "and_back": ("sub/target.h5", "/entry/back"),
        "missing_file": ("not_there.h5", "/entry"),
        "missing_object": ("sub/target.h5", "/no/such"),
        "no_hdf5": ("text.h5", "/"),
        "directory": ("sub", "/"),
        "own_file": ("links.h5", "/data"),
        "out_relative": ("../outside/secret.h5", "/entry/data"),
        "out_absolute": (str(outside / "secret.h5"), "/entry/data"),
        "out_by_symlink": ("symlink_out.h5", "/entry/data"),
        "out_by_directory": ("way_out/secret.h5", "/entry/data"),
        "out_passwd": ("/etc/passwd", "/"),
        "out_device": ("/dev/zero", "/"),
        "out_proc": ("/proc/self/environ", "/"),
        "url": ("http://127.0.0.1:9/evil.h5", "/"),
        "cycle": ("cycle_a.h5", "/next"),
        "long": ("y" * 5000, "/"),
    }
    for name, (target, place) in targets.items():
        file[f"external_{name}"] = h5py.ExternalLink(target, place)


def _external_cycle(inside: Path) -> None:
    for name, other in (("cycle_a.h5", "cycle_b.h5"), ("cycle_b.h5", "cycle_a.h5")):
        with h5py.File(inside / name, "w") as file:
            file["next"] = h5py.ExternalLink(other, "/next")
            file["group"] = h5py.ExternalLink(other, "/")


def _unknown_kind(path: Path, name: bytes) -> None:
    """A user-defined link whose class nobody registered: made from an external one, whose class number is 64."""
    with h5py.File(path, "a") as file:
        file[f"user_defined/{name.decode()}"] = h5py.ExternalLink("sub/target.h5", "/entry")
    raw = bytearray(path.read_bytes())
    at = raw.rindex(name)
    kind = raw.rindex(b"\x40", at - 12, at)
    raw[kind] = 70
    path.write_bytes(raw)


@recipe("many-external.h5", big=True)
def many_external(folder: Path) -> None:
    """3,300 external links to 20 files, as beamlines collect their scans."""
    for number in range(20):
        _small(folder / f"scan_{number:02d}.h5")
    with h5py.File(folder / "many-external.h5", "w") as file:
        for number in range(3300):
            file[f"scan {number}"] = h5py.ExternalLink(f"scan_{number % 20:02d}.h5", "/entry")
