"""``images/sizes.toml``: figures of builds and proofs that happened, and none of others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from images_support import LAYER, small_root

from panosc_spawner.cli import main
from panosc_spawner.errors import ConfigurationError, ImageError
from panosc_spawner.images import build, client, docs, record
from panosc_spawner.images.build import Built
from panosc_spawner.images.cached import cached_work
from panosc_spawner.images.client import Ended
from panosc_spawner.images.folder import Folder, Images
from panosc_spawner.images.verify import Report
from panosc_spawner.images.verify.report import CheckFailed

WHOLE = Built(
    "layer", "panosc/layer:2026.11", size=1_234_600_000, adds=99_500_000, seconds=61.4, fresh=True, whole=True
)
FROM_CACHE = replace(WHOLE, seconds=2.2, whole=False)
UP_TO_DATE = replace(WHOLE, seconds=1.6, fresh=False, whole=False)


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Images:
    """A base and one layer, and no Docker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "run", lambda *words, **_: Ended(1, "", f"Error: No such image: {words[-1]}"))
    return small_root(tmp_path, layer=LAYER)


class TestMeasured:
    def test_a_build_and_a_proof(self) -> None:
        one = record.measured(WHOLE, 20.6, None)
        assert (one.size, one.adds, one.build, one.verify) == (1235, 100, 61, 21)

    @pytest.mark.parametrize("built", [FROM_CACHE, UP_TO_DATE], ids=["Docker's cache had it", "up to date"])
    def test_a_build_that_did_not_happen_has_no_time(self, built: Built) -> None:
        first = record.measured(WHOLE, 20.6, None)
        again = record.measured(replace(built, size=10**9), 3, first)
        assert (again.size, again.build, again.verify) == (1000, 61, 3)
        assert record.measured(built, 3, None).build is None

    def test_a_proof_that_was_not_done_has_no_time(self) -> None:
        first = record.measured(WHOLE, 20.6, None)
        assert record.measured(replace(WHOLE, seconds=50), None, first) == replace(first, build=50)
        assert record.measured(WHOLE, None, None).verify is None


class TestFile:
    def test_written_and_read_over_what_is_known(self, images: Images) -> None:
        first = record.measured(WHOLE, 20, None)
        record.write(images.root, {"layer": first, "gone": first})
        record.write(images.root, {"base": first})
        assert record.read(images.root) == {"base": first, "layer": first}
        assert "| 1235 MB | 100 MB | + 10 MB | 61 s | 20 s |" in docs.overview(images, record.read(images.root))

    def test_what_nobody_has_measured_is_empty(self, images: Images) -> None:
        record.write(images.root, {"layer": record.measured(UP_TO_DATE, None, None)})
        written = record.read(images.root)
        assert written["layer"].build is None and written["layer"].verify is None
        assert "| 1235 MB | 100 MB | + 10 MB |  |  |" in docs.overview(images, written)

    def test_a_file_of_another_kind(self, images: Images) -> None:
        (images.root / "sizes.toml").write_text("[base]\nsize = 1\n")
        with pytest.raises(ConfigurationError, match="not what was measured"):
            record.read(images.root)


class TestCommand:
    @pytest.fixture
    def outcomes(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Built | ImageError | CheckFailed]:
        """What comes of each image: what was built, or why it was not built or not proven."""
        outcomes: dict[str, Built | ImageError | CheckFailed] = {"base": WHOLE, "layer": WHOLE}

        def build_images(_: Images, names: list[str], *, candidates: bool, **__: object) -> list[Built]:
            outcome = outcomes[names[0]]
            if isinstance(outcome, ImageError):
                raise outcome
            one = outcome if isinstance(outcome, Built) else WHOLE
            return [replace(one, name=names[0], tag=f"panosc/{names[0]}:{'unproven' if candidates else '2026.11'}")]

        def verify(folder: Folder, *_: object) -> Report:
            def check() -> str:
                if isinstance(outcome := outcomes[folder.name], CheckFailed):
                    raise outcome
                return ""

            report = Report(build.tag_of(folder), lambda _: None)
            report.check("x", check)
            return report

        monkeypatch.setattr(build, "build_images", build_images)
        monkeypatch.setattr(build, "keep", lambda _: None)
        monkeypatch.setattr("panosc_spawner.images.verify.verify_image", verify)
        return outcomes

    def test_a_parent_that_was_up_to_date(
        self, outcomes: dict[str, Built], images: Images, capsys: pytest.CaptureFixture[str]
    ) -> None:
        outcomes["base"] = UP_TO_DATE
        assert main(["images", "build", "layer", "--verify", "--record"]) == 0
        measured = record.read(images.root)
        assert (measured["base"].build, measured["layer"].build) == (None, 61)
        base, layer = capsys.readouterr().out.splitlines()[-2:]
        assert "built" not in base and "proven in    0 s" in base and "built in   61 s  proven in" in layer
        outcomes["base"], outcomes["layer"] = WHOLE, FROM_CACHE
        assert main(["images", "build", "layer", "--verify", "--record"]) == 0
        assert [one.build for one in record.read(images.root).values()] == [61, 61]

    def test_without_proof(self, outcomes: dict[str, Built], images: Images) -> None:
        record.write(images.root, {"layer": record.measured(WHOLE, 20, None)})
        outcomes["layer"] = replace(WHOLE, seconds=70)
        assert main(["images", "build", "layer", "--record"]) == 0
        measured = record.read(images.root)
        assert (measured["base"].verify, measured["layer"].build, measured["layer"].verify) == (None, 70, 20)

    @pytest.mark.parametrize("why", [ImageError("docker build failed"), CheckFailed("no")])
    def test_what_was_measured_before_another_failed_is_written(
        self, why: ImageError | CheckFailed, outcomes: dict[str, Built | ImageError | CheckFailed], images: Images
    ) -> None:
        outcomes["layer"] = why
        assert main(["images", "build", "layer", "--verify", "--record"]) == 1
        assert record.read(images.root).keys() == {"base"}

    def test_nothing_is_written_unless_asked(self, outcomes: dict[str, Built], images: Images) -> None:
        assert main(["images", "build", "layer", "--verify"]) == 0
        assert not record.read(images.root)


class TestCachedWork:
    OUTPUT = """\
#1 [internal] load build definition from Dockerfile
#1 CACHED

#5 [layer 1/9] FROM docker.io/panosc/base:2026.11
#5 CACHED

#9 [tools 2/3] RUN --mount=type=bind,source=steps/common,target=/steps/common     sh /steps/common/apt-install python3
#9 CACHED

#11 [wheels 1/1] RUN --mount=type=bind,source=build,target=/build     sh /steps/python/build-wheels
#11 sha256:02c2128c1ec284852463a518062b0dcaf6ef97d73df3ada3b7a41f73624749d2
#11 CACHED

#7 [layer 2/9] RUN --mount=type=secret,id=apt,target=/run/secrets/apt.sources     sh /steps/common/apt-install $(cat /build/apt.txt)
#7 CACHED

#12 [linux/amd64 layer 3/9] RUN --mount=type=bind,source=build,target=/build     sh /steps/python/python-packages
#12 PYTHON

#13 [layer 4/9] RUN --mount=type=bind,source=own,target=/own     sh /steps/python/own-packages
#13 DONE 0.4s
"""

    @pytest.fixture
    def context(self, tmp_path: Path) -> Path:
        """Of an image that has nothing to do but locked packages."""
        (tmp_path / "build").mkdir()
        for name, text in {"apt": "", "build": "", "locked": "numpy==2\n"}.items():
            (tmp_path / "build" / f"{name}.txt").write_text(text)
        return tmp_path

    def test_steps_of_all_images_and_steps_without_work_save_nothing(self, context: Path) -> None:
        assert cached_work(self.OUTPUT, context) == []
        assert cached_work(self.OUTPUT.replace("#13 DONE 0.4s", "#13 CACHED"), context) == []

    @pytest.mark.parametrize(("file", "step"), [("apt", "apt-install"), ("build", "build-wheels")])
    def test_a_step_with_work(self, context: Path, file: str, step: str) -> None:
        (context / "build" / f"{file}.txt").write_text("gcc\n")
        assert cached_work(self.OUTPUT, context) == [step]

    def test_packages_and_own_wheels_on_a_named_platform(self, context: Path) -> None:
        (context / "own").mkdir()
        (context / "own" / "a.whl").write_bytes(b"x")
        output = self.OUTPUT.replace("PYTHON", "CACHED").replace("#13 DONE 0.4s", "#13 CACHED")
        assert cached_work(output, context) == ["python-packages", "own-packages"]

    @pytest.mark.parametrize(
        ("stage", "step"),
        [("floor", "floor/floor"), ("kernel-python", "common/apt-install"), ("layer", "about/describe")],
    )
    def test_steps_that_always_do_something(self, context: Path, stage: str, step: str) -> None:
        output = f"#3 [{stage} 2/3] RUN --mount=type=bind,source=x,target=/x     sh /steps/{step} python3\n#3 CACHED\n"
        assert cached_work(output, context) == [step.partition("/")[2]]

    def test_every_step_of_the_dockerfile_is_known(self, images: Images, context: Path) -> None:
        """What is read here is what Docker prints of this Dockerfile."""
        for file in ("build/apt.txt", "build/build.txt", "own/a.whl", "setup/setup"):
            (context / file).parent.mkdir(exist_ok=True)
            (context / file).write_text("x")
        text = (images.root / "Dockerfile").read_text().replace("\\\n", "")
        stages = [stage.splitlines() for stage in text.split("\nFROM ")[1:]]
        steps = [(lines[0].split()[-1], line) for lines in stages for line in lines if line.startswith("RUN ")]
        printed = [f"#{number} [{stage} 2/9] {run}\n#{number} CACHED\n" for number, (stage, run) in enumerate(steps)]
        assert cached_work("".join(printed), context) == [
            "build-wheels", "floor", "apt-install", "kernel-packages", "kernel-install",
            "apt-install", "python-packages", "own-packages", "run-setup", "describe",
        ]  # fmt: skip
