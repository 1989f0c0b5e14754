"""The ``panosc-hub`` command: what it prints, for people and for programs, and its exit codes."""

from __future__ import annotations

import json

import pytest
from check_support import Site, provider, site

from panosc_spawner.check import Finding, Level
from panosc_spawner.check.report import as_json, as_line, summary
from panosc_spawner.cli import main

__all__ = ["provider", "site"]


class TestReport:
    good = Finding(Level.OK, "docker", "answers")
    bad = Finding(Level.ERROR, "a subject that is long", "it is wrong", "put it right")

    def test_columns(self) -> None:
        assert as_line(self.good, colours=False) == "ok       docker              answers"
        lines = as_line(self.bad, colours=False).splitlines()
        assert lines[0] == "error    a subject that is long"
        assert [line.index(word) for line, word in zip(lines[1:], ("it is", "-> put"), strict=True)] == [29, 29]

    def test_colours_only_where_asked(self) -> None:
        assert "\033" not in as_line(self.bad, colours=False)
        assert as_line(self.bad, colours=True).startswith("\033[31merror")

    def test_summary(self) -> None:
        assert summary([self.good]) == "1 ok, 0 warnings, 0 errors"
        assert summary([self.good, self.bad]) == "1 ok, 0 warnings, 1 error; the hub cannot do its work yet"

    def test_json(self) -> None:
        report = json.loads(as_json([self.good, self.bad]))
        assert report["ok"] is False
        assert report["findings"][1] == {
            "level": "error",
            "subject": "a subject that is long",
            "message": "it is wrong",
            "remedy": "put it right",
        }


class TestCommand:
    def test_check(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.check()
        assert main(["check", str(site.folder)]) == 0
        out = capsys.readouterr().out
        assert "\033" not in out and "0 errors" in out
        (site.folder / "secret").unlink()
        assert main(["check", "--json", str(site.folder)]) == 1
        assert json.loads(capsys.readouterr().out)["ok"] is False

    def test_facilities(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["facilities"]) == 0
        out = capsys.readouterr().out
        assert "to fill: areas.raw.path" in next(line for line in out.splitlines() if line.startswith("ess"))
        (site.folder / "facilities/lab.toml").write_text("nmae = 'Lab'")
        assert main(["facilities", str(site.folder), "--json"]) == 1
        rows = {row["id"]: row["state"] for row in json.loads(capsys.readouterr().out)}
        assert rows["demo"] == "complete"
        assert "did you mean 'name'?" in rows["lab"]

    def test_wrong_use(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            main([])
        assert caught.value.code == 2
        assert "COMMAND" in capsys.readouterr().err

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            main(["--version"])
        assert caught.value.code == 0
        assert capsys.readouterr().out.startswith("panosc-hub ")


def test_show_prints_what_the_hub_takes(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.check()  # writes the files
    assert main(["show", str(site.folder), "demo"]) == 0
    assert json.loads(capsys.readouterr().out)["paths"]["root"] == f"{site.folder}/data"
    assert main(["show", str(site.folder)]) == 0
    assert json.loads(capsys.readouterr().out)["access"]["minimum_uid"] == 1000
    assert main(["show", str(site.folder), "nowhere"]) == 1
    assert "no facility 'nowhere'" in capsys.readouterr().err
