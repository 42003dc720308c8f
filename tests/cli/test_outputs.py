"""What a command is told to write to is looked at first, and nothing of a look is left."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from edge_lab.cli import chaos
from edge_lab.cli.app import app
from edge_lab.core.errors import InputError
from edge_lab.core.home import cache_home
from edge_lab.faults.plan import load_plan
from edge_lab.topology import Topology
from tests.conftest import LABS, ROOT
from tests.report.test_compare import cell

MINIMAL = str(LABS / "minimal.yaml")
QUICK = str(ROOT / "plans" / "quick.yaml")

FILES = {
    "graph": ("graph", MINIMAL, "--output"),
    "compare": ("compare", ".", "--html"),
    "trace": ("trace", "--svg"),
}


def refused(*arguments: str) -> bool:
    result = CliRunner().invoke(app, list(arguments))
    return isinstance(result.exception, InputError)


@pytest.mark.parametrize("command", FILES)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_done(
    command: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for place in (
        "/proc/x",
        "/proc/version/x",
        str(tmp_path),
        f"{tmp_path}/no/x",
        f"{tmp_path}/file/x",
    ):
        result = CliRunner().invoke(app, [*FILES[command], place])
        assert isinstance(result.exception, InputError), place
        assert result.exception.exit_code == 2
        assert result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("extra", [("--verdict",), ("--times", "2"), ()], ids=str)
def test_a_folder_that_cannot_be_written_is_refused_before_a_plan_runs(
    extra: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for place in ("/proc/x", f"{tmp_path}/file", f"{tmp_path}/file/x"):
        assert refused("chaos", QUICK, *extra, "--output", place), place
    assert not refused("chaos", QUICK, *extra, "--output", f"{tmp_path}/deep/er")  # no lab is up
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_look_leaves_what_is_there_as_it_is(tmp_path: Path) -> None:
    picture = tmp_path / "lab.svg"
    picture.write_text("old")
    assert CliRunner().invoke(app, ["graph", "--output", str(picture)]).exit_code != 0  # not up
    assert picture.read_text() == "old"
    dangling = tmp_path / "link.svg"
    dangling.symlink_to("new.svg")
    assert not refused("graph", "--output", str(dangling))
    assert dangling.is_symlink()
    assert not (tmp_path / "new.svg").exists()
    assert CliRunner().invoke(app, ["graph", MINIMAL, "--output", str(picture)]).exit_code == 0
    assert picture.read_text().startswith("<svg")


def test_a_named_pipe_without_a_reader_is_a_file_to_write_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert not refused("graph", "--output", str(pipe))


def test_a_picture_goes_to_standard_output_by_name_too() -> None:
    plain = CliRunner().invoke(app, ["graph", MINIMAL])
    dash = CliRunner().invoke(app, ["graph", MINIMAL, "--output", "-"])
    assert dash.stdout == plain.stdout
    assert not Path("-").exists()


@pytest.mark.parametrize(("passed", "code"), [(True, 3), (False, 1)])
def test_a_verdict_is_told_even_if_it_cannot_be_kept(
    passed: bool,
    code: int,
    tmp_path: Path,
    default_topology: Topology,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def write(folder: Path, name: str) -> None:
        raise OSError(28, "No space left on device")

    trial: Any = SimpleNamespace(
        run=SimpleNamespace(log=lambda: "log"),
        cells=lambda: [cell(problems=() if passed else ("worse",))],
        verdicts=[],
        write=write,
    )
    monkeypatch.setattr("edge_lab.trials.trials.try_plan", lambda *_: trial)
    plan = load_plan(Path(QUICK), default_topology)
    lab: Any = None
    with pytest.raises(typer.Exit) as ended:
        chaos._try(lab, Path(QUICK), plan, 1, tmp_path, as_json=True)
    assert ended.value.exit_code == code
    assert '"comparison"' in capsys.readouterr().out


# -- the default topology --------------------------------------------------------------------------


def test_without_a_default_topology_here_the_shipped_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["graph", "labs/default.yaml"])
    assert result.exit_code == 0
    assert "edge-arm" in result.stdout
    assert CliRunner().invoke(app, ["chaos", QUICK, "--dry-run"]).exit_code == 0
    assert refused("graph", "labs/other.yaml")


def test_a_default_topology_here_goes_before_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / "default.yaml").write_text("name: [")
    for command in (
        ["graph", "labs/default.yaml"],
        ["up"],
        ["doctor"],
        ["chaos", QUICK, "--dry-run"],
    ):
        assert refused(*command), command
    assert not list(cache_home().glob("labs/*"))
