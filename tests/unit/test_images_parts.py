"""What the bill of materials has besides pip's and dpkg's packages, and how Debian's own are written into it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from images_support import REPOSITORY

from panosc_spawner.errors import ImageError
from panosc_spawner.images import parts
from panosc_spawner.images.verify import materials

STEPS = REPOSITORY / "images" / "steps"
ADDRESS, SHA256 = "https://example.org/epoch-4.19.tar.gz", "ab" * 32


class TestBundled:
    @staticmethod
    def extension(folder: Path, packages: dict[str, Any] | None, *wanted: str) -> Path:
        """An extension that bundles what it wants."""
        folder.mkdir()
        (folder / "package.json").write_text(json.dumps({"dependencies": dict.fromkeys(wanted, "*")}))
        if packages is not None:
            (folder / "package-lock.json").write_text(json.dumps({"packages": packages}))
        return folder

    def test_what_it_requires_and_what_that_requires(self, tmp_path: Path) -> None:
        packages = {
            "": {},
            "node_modules/a": {"version": "1", "dependencies": {"b": "^2", "@jupyterlab/ui": "*", "react": "*"}},
            "node_modules/b": {"version": "3", "dependencies": {"a": "*"}},
            "node_modules/a/node_modules/b": {"version": "2", "dependencies": {"@c/d": "*"}},
            "node_modules/@c/d": {"version": "4"},
            "node_modules/test-only": {"version": "9", "dev": True},
        }
        folder = self.extension(tmp_path / "x", packages, "a", "@lumino/widgets")
        rows = [line.split("\t") for line in parts.bundled([folder, tmp_path])]
        assert [(len(row), *row[:3]) for row in rows] == [
            (7, "npm", "@c/d", "4"), (7, "npm", "a", "1"), (7, "npm", "b", "2"),
        ]  # fmt: skip

    def test_what_is_not_known_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match=r"package-lock\.json is missing: what x bundles is not known"):
            parts.bundled([self.extension(tmp_path / "x", None, "a")])
        with pytest.raises(ImageError, match=r"package-lock\.json lacks a"):
            parts.bundled([self.extension(tmp_path / "y", {}, "a")])

    def test_the_desktop_has_novnc(self) -> None:
        (novnc,) = parts.bundled([REPOSITORY / "extensions" / "desktop"])
        assert novnc.startswith("npm\t@novnc/novnc\t")


@pytest.fixture
def describe() -> ModuleType:
    """The script that writes the bill while an image is built."""
    spec = importlib.util.spec_from_file_location("describe", STEPS / "about" / "describe.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ABOUT = {
    "tag": "panosc/x:2026.11", "version": "2026.11", "sources": {"epoch": {"address": ADDRESS, "sha256": SHA256}},
}  # fmt: skip


class TestDescribe:
    @pytest.fixture
    def components(self, describe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """A bill's, by their names, and what each depends on."""
        libc = describe.Part("deb", "libc6", "2.41-12", "amd64", "debian-13", "glibc", "2.41-12")
        git = describe.Part("deb", "git", "1:2.47", "amd64", "debian-13", "git", "1:2.47")
        monkeypatch.setattr(describe, "debian_packages", lambda: iter([libc, git]))
        monkeypatch.setattr(describe, "python_packages", lambda: iter([("NumPy", "2", "/opt/venv")]))
        monkeypatch.setattr(describe, "distribution", lambda: "debian-13")
        (tmp_path / "parts.tsv").write_text("npm\t@novnc/novnc\t1.7.0\t\t\t\t\n")
        noted = tmp_path / "noted.tsv"
        noted.write_text("deb\tlibpython3.11\t3.11.2-6\tamd64\tdebian-12\tpython3.11\t3.11.2-6\n")
        told = describe.note_parts(tmp_path, ABOUT, noted)
        assert len(noted.read_text().splitlines()) == len(told) == 3
        assert describe.note_parts(tmp_path, ABOUT, noted) == told  # nothing is noted twice
        text = describe.bill_of_materials(ABOUT, told)
        materials._validate(text)
        bill = json.loads(text)
        found = {part["name"]: part for part in bill["components"]}
        found["depends"] = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
        return found

    def test_scanners_see_debians_packages(self, components: dict[str, Any]) -> None:
        assert components["debian"] == {
            "type": "operating-system", "name": "debian", "version": "13", "bom-ref": "os",
        }  # fmt: skip
        assert components["libc6"]["purl"] == (
            "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13&upstream=glibc%402.41-12"
        )
        assert components["git"]["purl"].endswith("?arch=amd64&distro=debian-13")
        assert {one["name"].rpartition(":")[2]: one["value"] for one in components["libc6"]["properties"]} == {
            "SrcName": "glibc", "SrcVersion": "2.41-12",
        }  # fmt: skip
        assert set(components["depends"]["os"]) == {components[name]["bom-ref"] for name in ("libc6", "git")}

    def test_what_neither_pip_nor_dpkg_knows(self, components: dict[str, Any]) -> None:
        assert "distro=debian-12" in components["libpython3.11"]["purl"]
        assert (components["novnc"]["group"], components["novnc"]["version"]) == ("@novnc", "1.7.0")
        assert components["epoch"]["hashes"] == [{"alg": "SHA-256", "content": SHA256}]
        assert components["epoch"]["externalReferences"][0]["url"] == ADDRESS


class TestNoteParts:
    @staticmethod
    def run(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """The step, noting into a directory of ours."""
        script = (STEPS / "common" / "note-parts").read_text().replace("/opt/panosc", str(tmp_path / "noted"))
        return subprocess.run(["sh", "-c", script, "note-parts", *words], capture_output=True, text=True, check=False)

    def test_packages_of_another_debian_and_unpacked_ones(self, tmp_path: Path) -> None:
        root, tree = tmp_path / "root", tmp_path / "tree"
        (root / "etc").mkdir(parents=True)
        (root / "etc" / "os-release").write_text('ID=debian\nVERSION_ID="12"\n')
        record = "Package: {}\nVersion: 1:2-3\nArchitecture: all\nMaintainer: n <n@example.org>\nDescription: x\n"
        (root / "var/lib/dpkg/info").mkdir(parents=True)
        status = record.format("one").replace("Version", "Status: install ok installed\nSource: first (2-1)\nVersion")
        (root / "var/lib/dpkg/status").write_text(status)
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text(record.format("two"))
        for folder in (tree, tree / "DEBIAN"):
            folder.chmod(0o755)
        subprocess.run(["dpkg-deb", "-b", str(tree), str(tmp_path / "two.deb")], check=True, capture_output=True)
        for words in ([str(root), "one"], [str(tmp_path / "two.deb")]):
            done = self.run(tmp_path, *words)
            assert done.returncode == 0, done.stderr
        one, two = [line.split("\t") for line in (tmp_path / "noted/parts.tsv").read_text().splitlines()]
        assert one == ["deb", "one", "1:2-3", "all", "debian-12", "first", "2-1"]
        assert two[:4] + two[5:] == ["deb", "two", "1:2-3", "all", "two", "1:2-3"]

    @pytest.mark.parametrize("words", [[], ["/"], ["/", "no-such-package"], ["none.deb"]])
    def test_nothing_found_is_an_error(self, tmp_path: Path, words: list[str]) -> None:
        assert self.run(tmp_path, *words).returncode != 0
