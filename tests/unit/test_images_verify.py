"""What ``verify`` makes of what it finds; the containers themselves are in ``tests/integration/test_images_docker.py``."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from images_support import LAYER, small_root

from panosc_spawner.errors import ImageError
from panosc_spawner.images import client, scan
from panosc_spawner.images.client import Ended
from panosc_spawner.images.folder import Images
from panosc_spawner.images.verify import Report, container, files, materials, person, proof, verify_image
from panosc_spawner.images.verify.container import Hardened
from panosc_spawner.images.verify.report import CheckFailed


def inside(name: str) -> ModuleType:
    """A script that runs in images, as a module."""
    spec = importlib.util.spec_from_file_location(name, container.INSIDE / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class FakeDocker:
    """Answers by the first words of a command; remembers all of them."""

    def __init__(self, **answers: Ended | Callable[[tuple[str, ...]], Ended]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, *words: str, seconds: float = 60, stdin: str | None = None) -> Ended:
        self.asked.append(words)
        answer = self.answers.get(words[0], Ended(0, "", ""))
        return answer(words) if callable(answer) else answer


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    """A Docker that answers what a test says."""
    fake = FakeDocker()
    monkeypatch.setattr(client, "run", fake)
    return fake


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """A base and one layer."""
    return small_root(tmp_path, layer=LAYER)


def known(**sizes: int) -> Callable[[tuple[str, ...]], Ended]:
    """``docker image inspect`` of these images."""

    def answer(words: tuple[str, ...]) -> Ended:
        name = words[2].partition("/")[2].partition(":")[0]
        if name not in sizes:
            return Ended(1, "", "Error: No such image: " + words[2])
        return Ended(0, json.dumps([{"Size": sizes[name], "Config": {"Env": ["PATH=/bin"], "Labels": {}}}]), "")

    return answer


class TestReport:
    def test_an_image_that_nothing_was_asked_of_is_not_proven(self) -> None:
        assert not Report("x", print).ok

    def test_one_failure_is_enough(self) -> None:
        said: list[str] = []
        report = Report("x", said.append)
        report.check("good", lambda: "a\nb")
        assert report.ok and said[-1].splitlines()[1:] == ["      a", "      b"]
        report.check("bad", lambda: proof._fail("why"))
        report.check("good", lambda: "")
        assert not report.ok and said[1].startswith("ERROR bad") and "why" in said[1]
        assert [check["ok"] for check in report.to_json()["checks"]] == [True, False, True]

    def test_a_fault_of_ours_is_not_a_finding(self) -> None:
        with pytest.raises(ZeroDivisionError):
            Report("x", print).check("x", lambda: str(1 / 0))


class TestSize:
    def test_within(self, images: Images, docker: FakeDocker) -> None:
        docker.answers["image"] = known(base=700_000_000, layer=709_000_000)
        assert files.size(images["layer"], images) == "709 MB, 9 MB more than base"
        assert files.size(images["base"], images) == "700 MB"

    def test_over(self, images: Images, docker: FakeDocker) -> None:
        docker.answers["image"] = known(base=721_000_000, layer=732_000_000)
        with pytest.raises(CheckFailed, match="11 MB more than base; at most 10 MB more are allowed"):
            files.size(images["layer"], images)
        with pytest.raises(CheckFailed, match=r"721 MB; at most 720 MB are allowed \(size\)"):
            files.size(images["base"], images)


@pytest.mark.parametrize(
    "line",
    [
        "RUN API_TOKEN=abcdef pip install x", "ENV DB_PASSWORD=hunter2", "RUN git clone https://me:ghp_x@example.org/x",
        "RUN echo '-----BEGIN OPENSSH PRIVATE KEY-----'", "ARG aws_secret=AKIAxxxx", "ENV api-key = 12345678",
    ],
)  # fmt: skip
def test_a_secret_in_a_layers_command(line: str, docker: FakeDocker) -> None:
    docker.answers |= {"history": Ended(0, f"CMD x\n{line}\n", ""), "image": known(layer=1)}
    with pytest.raises(CheckFailed, match="looks like a secret"):
        files.no_secrets("panosc/layer:x")


def test_our_own_layers_hold_none(docker: FakeDocker) -> None:
    ours = "RUN --mount=type=secret,id=ca sh /steps/common/apt-install\nCMD jupyter lab --ServerApp.token=\nENV PATH=/opt/venv/bin"
    docker.answers |= {"history": Ended(0, ours, ""), "image": known(layer=1)}
    assert files.no_secrets("panosc/layer:x") == ""


def test_a_mirrors_password_is_found_and_not_told(docker: FakeDocker) -> None:
    def run(words: tuple[str, ...]) -> Ended:
        return Ended(0, "/etc/apt/sources.list.d/m.sources:://me:pw@\n" * 2 if "/etc/xdg" in words[-1] else "", "")

    docker.answers |= {"history": Ended(0, "CMD x", ""), "image": known(layer=1), "run": run}
    with pytest.raises(CheckFailed) as raised:
        files.no_secrets("panosc/layer:x")
    assert str(raised.value) == "looks like a secret: /etc/apt/sources.list.d/m.sources: ://…@"


@pytest.mark.parametrize("password", ["pw", "pw=x", "a-long-password"])
def test_a_password_in_a_layers_command_is_not_told(password: str, docker: FakeDocker) -> None:
    docker.answers |= {
        "history": Ended(0, f"RUN wget https://me:{password}@example.org/x", ""),
        "image": known(layer=1),
    }
    with pytest.raises(CheckFailed) as raised:
        files.no_secrets("panosc/layer:x")
    assert str(raised.value) == "looks like a secret: ://…@"


def test_what_looks_for_addresses_with_passwords(tmp_path: Path) -> None:
    (tmp_path / "m.sources").write_text("URIs: https://me:pw@mirror.example.org/debian\n")
    (tmp_path / "d.sources").write_text(
        "URIs: http://mirror.example.org:80/debian\n# me@example.org: see http://x/a:b@c\n"
    )
    (tmp_path / "none").mkdir()
    command = files._ADDRESSES.replace("/etc/apt", str(tmp_path)).replace("/etc/", f"{tmp_path}/none/")
    found = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert found.stdout == f"{tmp_path}/m.sources:://me:pw@\n"


class TestStop:
    @pytest.fixture
    def stopping(self, docker: FakeDocker) -> Callable[..., None]:
        """A container that ends so many seconds after it is told to."""

        def set_up(*seconds: float, code: int = 0) -> None:
            left = list(seconds)

            def inspect(_: tuple[str, ...]) -> Ended:
                finished = datetime.now(UTC) + timedelta(seconds=left.pop(0))
                return Ended(0, f"{finished.strftime('%Y-%m-%dT%H:%M:%S.%f')}123Z {code} false", "")

            docker.answers["inspect"] = inspect

        return set_up

    hardened = Hardened("panosc/layer:x", 10**9)

    def test_a_busy_machine_is_slow_once(self, stopping: Callable[..., None], docker: FakeDocker) -> None:
        stopping(1.8, 0.3)
        assert person.lab_answers_and_stops(self.hardened).count("stopped") == 2
        started = [words for words in docker.asked if words[0] == "run"]
        removed = [words for words in docker.asked if words[:2] == ("rm", "-f")]
        assert len(started) == len(removed) == 2

    def test_an_image_that_does_not_listen_is_slow_every_time(self, stopping: Callable[..., None]) -> None:
        stopping(10, 10, 10)
        with pytest.raises(CheckFailed, match=r"at most 1\.0 s"):
            person.lab_answers_and_stops(self.hardened)

    def test_killed(self, stopping: Callable[..., None], docker: FakeDocker) -> None:
        stopping(0.1, code=137)
        with pytest.raises(CheckFailed, match="exit code 137"):
            person.lab_answers_and_stops(self.hardened)
        assert docker.asked[-1][:2] == ("rm", "-f")


class TestHardened:
    def test_as_hard_as_the_hub_makes_them(self) -> None:
        options = " ".join(Hardened("t", 2 * 10**9, {"/verify": Path("/v")}, Path("/p")).options())
        for wanted in (
            "--user 20123:20123", "--read-only", "--cap-drop ALL", "--security-opt no-new-privileges", "--network none",
            "--pids-limit 512", "--memory 2000000000 --memory-swap 2000000000", "-v /v:/verify:ro", "-v /p:/pictures",
        ):  # fmt: skip
            assert wanted in options

    @pytest.mark.parametrize(("code", "words"), [(1, "exit code 1"), (124, "took too long"), (137, "more memory")])
    def test_why_it_ended(self, docker: FakeDocker, code: int, words: str) -> None:
        docker.answers["run"] = Ended(code, "the last line", "")
        with pytest.raises(CheckFailed, match=rf"(?s){words}.*the last line"):
            Hardened("t", 1).run("true")
        name = docker.asked[0][docker.asked[0].index("--name") + 1]
        assert docker.asked[-1] == ("rm", "-f", "-v", name)  # also one that Docker's client has given up on

    def test_a_script_that_a_stranger_cannot_read_is_named(
        self, images: Images, docker: FakeDocker, tmp_path: Path
    ) -> None:
        docker.answers["image"] = known(layer=1)
        script = images["layer"].path / "verify" / "proof.py"
        script.chmod(0o600)
        report = verify_image(images["layer"], images, tmp_path / "pictures", print)
        assert not report.ok and f"{script} is closed to other users" in report.checks[0].words


class TestProofs:
    def test_not_built(self, images: Images, docker: FakeDocker, tmp_path: Path) -> None:
        docker.answers["image"] = known()
        report = verify_image(images["layer"], images, tmp_path / "pictures", print)
        assert not report.ok and "panosc-hub images build layer" in report.checks[0].words

    def script(self, images: Images, docker: FakeDocker, pictures: Path, said: str, picture: bytes | None) -> str:
        def answer(words: tuple[str, ...]) -> Ended:
            if picture is not None:
                (pictures / "proof.png").write_bytes(picture)
            return Ended(0, said, "")

        docker.answers["run"] = answer
        hardened = Hardened("t", 10**9, {}, pictures)
        return proof._script(hardened, images["layer"].path / "verify" / "proof.py", images["layer"])

    PNG = b"\x89PNG\r\n\x1a\n"

    def test_a_script_says_a_result_and_saves_a_picture(
        self, images: Images, docker: FakeDocker, tmp_path: Path
    ) -> None:
        said = self.script(images, docker, tmp_path, "noise\nresult: peak = 1.2 Å\n", self.PNG)
        assert said == f"result: peak = 1.2 Å\npicture: {tmp_path / 'proof.png'}"

    @pytest.mark.parametrize(
        ("said", "picture", "words"),
        [
            ("fine", PNG, 'begins with "result: "'),
            ("result: 1", None, "no picture"),
            ("result: 1", b"GIF", "not a PNG"),
        ],
    )
    def test_less_proves_nothing(
        self, images: Images, docker: FakeDocker, tmp_path: Path, said: str, picture: bytes | None, words: str
    ) -> None:
        with pytest.raises(CheckFailed, match=words):
            self.script(images, docker, tmp_path, said, picture)

    def test_only_a_part(self, images: Images, docker: FakeDocker, tmp_path: Path) -> None:
        docker.answers["image"] = known(layer=1, base=1)
        report = verify_image(images["layer"], images, tmp_path / "p", print, only="start")
        assert [check.what for check in report.checks] == ["notebooks/start-here.ipynb"] and report.ok
        report = verify_image(images["layer"], images, tmp_path / "p", print, only="nothing")
        assert not report.ok and "'nothing' in its name" in report.checks[0].words

    def test_pictures_of_before_are_not_taken_for_todays(self, tmp_path: Path) -> None:
        (tmp_path / "old.png").write_bytes(self.PNG)
        with container.pictures_directory(tmp_path) as directory:
            assert not list(directory.iterdir()) and directory.stat().st_mode & 0o777 == 0o777
        assert tmp_path.stat().st_mode & 0o777 == 0o755


def notebook(*outputs: dict[str, Any]) -> Any:
    """A notebook with one cell that was executed."""
    import nbformat.v4 as v4

    return v4.new_notebook(cells=[v4.new_code_cell("1", outputs=list(outputs))])


def test_what_a_person_sees_in_red() -> None:
    from nbformat.v4 import new_output

    script = inside("notebook")
    assert script.red_boxes(notebook(new_output("stream", name="stdout", text="fine"))) == []
    red = script.red_boxes(notebook(new_output("stream", name="stderr", text="FutureWarning: x\n")))
    assert red == ["cell 1 writes to stderr: FutureWarning: x"]
    shown = new_output("display_data", data={"image/png": "iVBORw0KGgo="})
    assert script.pictures(notebook(shown)) == [b"\x89PNG\r\n\x1a\n"]


def test_a_script_and_a_notebook_of_one_name_each_keep_their_picture(
    images: Images, docker: FakeDocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script's command and the notebook's, as they are run in the container, into one directory."""
    from nbformat.v4 import new_output

    script, pictures = inside("notebook"), tmp_path / "pictures"
    pictures.mkdir()
    png = b"\x89PNG\r\n\x1a\n"
    shown = notebook(new_output("display_data", data={"image/png": "iVBORw0KGgo="}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(script, "PICTURES", pictures)
    monkeypatch.setattr(script, "NotebookClient", lambda *_, **__: SimpleNamespace(execute=lambda: None))
    monkeypatch.setattr(script.nbformat, "read", lambda *_, **__: shown)

    def run(words: tuple[str, ...]) -> Ended:
        if "/inside/notebook.py" in words:
            assert script.main(images["layer"].path / "notebooks", "proof.ipynb", 10) == 0
        else:
            (variable,) = [word for word in words if word.startswith("PANOSC_PICTURE=/pictures/")]
            (pictures / Path(variable).name).write_bytes(png + b"of the script")
        return Ended(0, "result: 1", "")

    docker.answers["run"] = run
    hardened = Hardened("t", 10**9, {}, pictures)
    proof._script(hardened, images["layer"].path / "verify" / "proof.py", images["layer"])
    proof._notebook(hardened, images["layer"].path / "notebooks" / "proof.ipynb", images["layer"])
    assert {path.name for path in pictures.iterdir()} == {"proof.png", "proof.ipynb", "proof.notebook.png"}
    assert (pictures / "proof.png").read_bytes() == png + b"of the script"
    assert (pictures / "proof.notebook.png").read_bytes() == png


class TestBillOfMaterials:
    @staticmethod
    def bill(*parts: tuple[str, str, str]) -> str:
        """A valid one."""
        listed = [
            {"type": "library", "name": name, "version": version, "purl": f"pkg:{kind}/{name}@{version}"}
            for kind, name, version in parts
        ]
        return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": listed})

    def with_system(self, bill: str) -> str:
        """The same, of a Debian."""
        system = {"type": "operating-system", "name": "debian", "version": "13", "bom-ref": "os"}
        read = json.loads(bill)
        return json.dumps({**read, "components": [*read["components"], system]})

    def check(self, docker: FakeDocker, bill: str, installed: list[list[str]]) -> str:
        docker.answers["run"] = lambda words: Ended(0, bill if "cat" in words else json.dumps(installed), "")
        return materials.bill_of_materials(Hardened("t", 1))

    def test_complete(self, docker: FakeDocker) -> None:
        bill = self.with_system(
            self.bill(("pypi", "NumPy", "2"), ("deb", "git", "1:2"), ("npm", "@novnc/novnc", "1.7.0"))
        )
        installed = [
            ["pypi", "numpy", "2"],
            ["deb", "git", "1:2"],
            ["npm", "@novnc/novnc", "1.7.0"],
            ["os", "debian", "13"],
        ]
        assert self.check(docker, bill, installed) == "1 Python packages, 1 of Debian, 1 others"

    def test_a_group_and_a_version_that_is_not_known(self) -> None:
        novnc = {
            "type": "library",
            "group": "@novnc",
            "name": "novnc",
            "version": "1",
            "purl": "pkg:npm/%40novnc/novnc@1",
        }
        assert materials._row(novnc) == ("npm", "@novnc/novnc", "1")
        epoch = {"type": "application", "name": "EPOCH", "purl": "pkg:generic/EPOCH?checksum=sha256:0"}
        assert materials._row(epoch) == ("generic", "epoch", "")
        assert materials._row({"type": "file", "name": "x"}) == ("file", "x", "")

    def test_without_its_debian_scanners_pass_over_its_packages(self, docker: FakeDocker) -> None:
        with pytest.raises(CheckFailed, match="not listed: debian 13; listed"):
            self.check(docker, self.bill(), [["os", "debian", "13"]])

    def test_a_python_that_was_copied_is_a_part(self, docker: FakeDocker) -> None:
        python = [["python", "python3.11", ""]]
        with pytest.raises(CheckFailed, match=r"not listed: python3\.11; listed"):
            self.check(docker, self.bill(), python)
        part = ("deb", "python3.11-minimal", "3.11.2-6")
        assert self.check(docker, self.bill(part), [*python, list(part)]) == "0 Python packages, 1 of Debian, 0 others"

    def test_something_is_missing_and_something_is_gone(self, docker: FakeDocker) -> None:
        with pytest.raises(CheckFailed, match="not listed: scipy 1; listed and not installed: numpy 1"):
            self.check(docker, self.bill(("pypi", "numpy", "1")), [["pypi", "scipy", "1"]])

    def test_not_by_the_schema(self, docker: FakeDocker) -> None:
        with pytest.raises(CheckFailed, match=r"not CycloneDX 1\.6"):
            self.check(docker, '{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{}]}', [])


class TestInstalled:
    def test_what_steps_noted_and_an_operator_gave(self, tmp_path: Path) -> None:
        (tmp_path / "image.json").write_text('{"sources": {"epoch": {}}}')
        script = inside("installed")
        assert list(script.noted(tmp_path)) == [("generic", "epoch", "")]
        (tmp_path / "parts.tsv").write_text("deb\tMcStas-comps\t3.5\tall\tdebian-13\tmccode\t3.5\n")
        assert list(script.noted(tmp_path)) == [("deb", "mcstas-comps", "3.5"), ("generic", "epoch", "")]

    def test_only_what_dpkg_does_not_know_is_foreign(self, tmp_path: Path) -> None:
        for name in ("python3.11", "python3.11-config", "python3"):
            (tmp_path / name).touch()
        (tmp_path / "python3.12").symlink_to("python3.11")
        assert list(inside("installed").foreign_pythons(tmp_path)) == [("python", "python3.11", "")]


class TestScan:
    def test_without_a_scanner_it_says_what_to_install(self, images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scan.shutil, "which", lambda name: None)
        with pytest.raises(ImageError, match=r"(?s)Install one of: trivy .* grype"):
            scan.scan(images["layer"])

    @pytest.mark.parametrize(
        ("script", "clean"),
        [("cat; echo none", True), ("echo CVE-2026-1; exit 1", False), ("echo 'no database' >&2; exit 1", None)],
    )
    def test_what_a_scanner_says(
        self,
        images: Images,
        docker: FakeDocker,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        script: str,
        clean: bool | None,
    ) -> None:
        trivy = tmp_path / "trivy"
        trivy.write_text(f"#!/bin/sh\n{script} </dev/null\n")
        trivy.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        docker.answers["run"] = Ended(0, "{}", "")
        if clean is None:
            with pytest.raises(ImageError, match=r"(?s)needs its database.*no database"):
                scan.scan(images["layer"])
        else:
            assert scan.scan(images["layer"])[1] is clean
