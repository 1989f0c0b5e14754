"""Files on a web server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from panosc_hdf5.core import remote
from range_server import Site, serving

DATA = np.arange(2_000_000, dtype="f8")


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def file(site: Site, tmp_path: Path) -> str:
    with h5py.File(tmp_path / "big.h5", "w") as made:
        made["data"] = DATA
        made["small"] = [1, 2, 3]
        made["ext"] = h5py.ExternalLink("sub/other.h5", "/x")
        made["ext_up"] = h5py.ExternalLink("../secret.h5", "/x")
        made["ext_host"] = h5py.ExternalLink("http://127.0.0.1:9/x.h5", "/x")
        layout = h5py.VirtualLayout((3,), "i8")
        layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (3,))
        made.create_virtual_dataset("virtual", layout)
    with h5py.File(tmp_path / "other.h5", "w") as made:
        made["x"] = 42
    site.files["/a/big.h5"] = (tmp_path / "big.h5").read_bytes()
    site.files["/a/sub/other.h5"] = site.files["/secret.h5"] = (tmp_path / "other.h5").read_bytes()
    return f"{site.url}/a/big.h5"


def test_only_what_is_needed_travels(ask: Any, site: Site, file: str) -> None:
    found = ask("values", file, h5path="/data", slice="1000000:1000003")["values"]
    assert found == [1_000_000, 1_000_001, 1_000_002]
    asked = sum(int(last) - int(first) + 1 for _, r in site.requests for first, last in [r[6:].split("-")])
    assert asked < 2_000_000 < len(site.files["/a/big.h5"])
    before = len(site.requests)
    ask("values", file, h5path="/data", slice="1000001")
    assert len(site.requests) == before  # from the cache
    assert ask("open", file, h5path="/small")["file"] | {"mtime": 0} == {
        "name": "big.h5", "size": len(site.files["/a/big.h5"]), "mtime": 0, "being_written": False, "remote": True,
    }  # fmt: skip


def test_reading_on_reads_further_ahead(file: str, site: Site) -> None:
    reader = remote.RemoteFile(file)
    with h5py.File(reader) as opened:
        assert np.array_equal(opened["data"][:], DATA)
        for start in range(0, len(DATA), 10_000):
            assert np.array_equal(opened["data"][start : start + 10_000], DATA[start : start + 10_000])
    assert reader.requests < 20  # 16 MB in blocks of a quarter
    reader.close()


def test_a_file_that_changes_is_an_error_and_then_the_new_file(
    ask: Any, site: Site, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask("values", file, h5path="/small")["values"] == [1, 2, 3]
    with h5py.File(tmp_path / "next.h5", "w") as made:
        made["data"] = DATA + 1
        made["small"] = [4, 5, 6]
    site.files["/a/big.h5"], site.etags["/a/big.h5"] = (tmp_path / "next.h5").read_bytes(), '"2"'
    error = ask.error("values", file, h5path="/data", slice="1000000")
    assert error.status in (422, 503)
    assert ask("values", file, h5path="/small")["values"] == [4, 5, 6]
    monkeypatch.setattr(remote, "FRESH_SECONDS", 0.0)
    with h5py.File(tmp_path / "next.h5", "w") as made:
        made["small"] = [7]
    site.files["/a/big.h5"], site.etags["/a/big.h5"] = (tmp_path / "next.h5").read_bytes(), '"3"'
    assert ask("values", file, h5path="/small")["values"] == [7]


def test_links_stay_beside_the_file(ask: Any, file: str) -> None:
    assert ask("values", file, h5path="/ext")["values"] == 42
    assert ask.error("values", file, h5path="/ext_up").code == "outside"
    assert ask.error("values", file, h5path="/ext_host").status in (403, 422)
    assert ask.error("values", file, h5path="/virtual").code == "remote_virtual"


REFUSED: dict[str, tuple[Callable[[Site], None], str]] = {
    "missing": (lambda s: s.files.clear(), "not_found"),
    "no ranges": (lambda s: setattr(s, "ranges", False), "no_ranges"),
    "login": (lambda s: s.statuses.update({"/a/big.h5": 401}), "permission"),
    "busy": (lambda s: s.statuses.update({"/a/big.h5": 503}), "server_busy"),
    "broken": (lambda s: s.statuses.update({"/a/big.h5": 500}), "server_error"),
    "empty": (lambda s: s.files.update({"/a/big.h5": b""}), "empty_file"),
    "text": (lambda s: s.files.update({"/a/big.h5": b"text " * 1000}), "not_hdf5"),
    "other host": (lambda s: s.redirects.update({"/a/big.h5": "http://localhost:1/x"}), "redirected"),
    "https on any port": (
        lambda s: s.redirects.update({"/a/big.h5": f"https{s.url[4:]}/a/big.h5"}),
        "redirected",
    ),
    "endless": (lambda s: s.lengths.update({"/a/big.h5": "9" * 5000}), "no_ranges"),
    "circle": (lambda s: s.redirects.update({"/a/big.h5": "/a/big.h5"}), "redirects"),
    "another scheme": (lambda s: s.redirects.update({"/a/big.h5": "file:///etc/passwd"}), "bad_request"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(ask: Any, site: Site, file: str, name: str) -> None:
    change, code = REFUSED[name]
    change(site)
    assert ask.error("children", file).code == code


@pytest.mark.parametrize("url", ["http://", "http://a b/", "http://u:p@host/x", "http://host:port/x", "http://h/\tx"])
def test_addresses_that_are_none(ask: Any, url: str) -> None:
    assert ask.error("children", url).status == 400


def test_a_redirect_on_the_same_server(ask: Any, site: Site, file: str) -> None:
    site.redirects["/moved.h5"] = "/a/big.h5"
    assert ask("children", f"{site.url}/moved.h5")["total"] == 6


def test_nobody_answers(ask: Any) -> None:
    assert ask.error("children", "http://127.0.0.1:9/x.h5").code == "unreachable"
