"""Where a path really leads: ``resolve_beneath`` on a real tree, with links as somebody with write access could make them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from hostile_support import text
from hypothesis import given, settings

from panosc_spawner.errors import PathError
from panosc_spawner.facilities.paths import MissingDirectory, resolve_beneath


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """As somebody who is not root: root may look anywhere."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


class TestResolveBeneath:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        (tmp_path / "root/ma1/raw").mkdir(parents=True)
        (tmp_path / "other/secret").mkdir(parents=True)
        return tmp_path / "root"

    def test_a_directory(self, root: Path) -> None:
        assert resolve_beneath(root / "ma1/raw", root) == root / "ma1/raw"

    def test_a_link_within_the_root_is_followed(self, root: Path) -> None:
        (root / "ma2").symlink_to("ma1")  # no proposal is named, so no name is missed
        assert resolve_beneath(root / "ma2/raw", root) == root / "ma1/raw"

    def test_the_root_may_be_a_link(self, root: Path, tmp_path: Path) -> None:
        (tmp_path / "data").symlink_to(root)
        assert resolve_beneath(tmp_path / "data/ma1/raw", tmp_path / "data") == root / "ma1/raw"

    @pytest.mark.parametrize("target", ["../../other/secret", "/", "/etc", "../../root2"])
    def test_a_link_out_of_the_root(self, root: Path, tmp_path: Path, target: str) -> None:
        (tmp_path / "root2").mkdir()
        (root / "ma1/out").symlink_to(target)
        with pytest.raises(PathError, match="outside of"):
            resolve_beneath(root / "ma1/out", root)

    @pytest.mark.parametrize("target", [".", "..", "../../root"])
    def test_a_link_to_what_holds_it(self, root: Path, target: str) -> None:
        """Beneath the root, but the root is everybody's."""
        (root / "ma1/out").symlink_to(target)
        with pytest.raises(PathError, match="not this proposal's alone"):
            resolve_beneath(root / "ma1/out", root)

    @pytest.mark.parametrize("link", ["ma1/out", "ma3"])
    def test_a_link_to_another_proposal(self, root: Path, link: str) -> None:
        (root / "ma2/raw").mkdir(parents=True)
        (root / link).symlink_to(root / "ma2/raw")
        for path in (root / link, root / "ma1/raw"):
            resolve_beneath(path, root)
        with pytest.raises(PathError, match="not this proposal's alone"):
            resolve_beneath(root / link, root, link[:3])

    def test_links_that_keep_the_proposals_name(self, root: Path) -> None:
        """As at EuXFEL: exp/SPB/201802/p002145/raw leads to d/raw/SPB/201802/p002145."""
        (root / "d/raw/SPB/p002145").mkdir(parents=True)
        (root / "exp/SPB/p002145").mkdir(parents=True)
        (root / "exp/SPB/p002145/raw").symlink_to("../../../d/raw/SPB/p002145")
        found = resolve_beneath(root / "exp/SPB/p002145/raw", root, "p002145")
        assert found == root / "d/raw/SPB/p002145"

    def test_a_link_in_the_middle(self, root: Path, tmp_path: Path) -> None:
        (root / "ma3").symlink_to(tmp_path / "other")
        with pytest.raises(PathError, match="outside of"):
            resolve_beneath(root / "ma3/secret", root)

    def test_a_sibling_with_the_same_beginning_is_outside(self, root: Path, tmp_path: Path) -> None:
        (tmp_path / "root-2").mkdir()
        with pytest.raises(PathError, match="outside of"):
            resolve_beneath(tmp_path / "root-2", root)

    @pytest.mark.parametrize("path", ["ma9/raw", "ma1/raw/deeper"])
    def test_missing(self, root: Path, path: str) -> None:
        with pytest.raises(MissingDirectory, match="does not exist"):
            resolve_beneath(root / path, root)

    def test_a_missing_root(self, root: Path) -> None:
        with pytest.raises(MissingDirectory):
            resolve_beneath(root / "ma1/raw", root / "nothing")

    def test_a_dangling_link(self, root: Path) -> None:
        (root / "gone").symlink_to("nowhere")
        with pytest.raises(MissingDirectory):
            resolve_beneath(root / "gone", root)

    def test_a_loop(self, root: Path) -> None:
        (root / "loop").symlink_to("loop")
        with pytest.raises(PathError):
            resolve_beneath(root / "loop", root)

    def test_a_file(self, root: Path) -> None:
        (root / "file").write_text("")
        for path in ("file", "file/x"):
            with pytest.raises(PathError, match="not a directory"):
                resolve_beneath(root / path, root)

    def test_what_may_not_be_looked_at(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            closed = Path(folder, "ma1")
            (closed / "raw").mkdir(parents=True)
            closed.chmod(0)
            with unprivileged(), pytest.raises(PathError, match="permission denied"):
                resolve_beneath(closed / "raw", folder)
            closed.chmod(0o755)

    def test_permission_denied_in_words(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> Path:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "resolve", refuse)
        with pytest.raises(PathError, match="permission denied"):
            resolve_beneath(root / "ma1/raw", root)

    @settings(deadline=None)
    @given(path=text)
    def test_any_text(self, path: str) -> None:
        with pytest.raises(PathError):
            resolve_beneath(PurePosixPath("/proc/nothing") / path.lstrip("/") / "x\0", PurePosixPath("/proc/nothing"))
