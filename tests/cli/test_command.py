"""The command as a whole: completion, its version, what it prints where, and odd arguments."""

from __future__ import annotations

import io
import os
import re
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from edge_lab.bringup.lifecycle import take_down
from edge_lab.cli import common
from edge_lab.cli.app import app
from edge_lab.cli.completion import SHELLS
from edge_lab.cli.render import status_table
from edge_lab.core.errors import EdgeLabError, InputError, LabError
from edge_lab.core.home import RunDir
from edge_lab.core.step import step
from edge_lab.handle.stage import stage_of, telling_stage
from edge_lab.handle.state import Condition
from edge_lab.handle.status import DeviceStatus, FaultStatus, LabStatus, LinkStatus, NodeStatus
from edge_lab.topology import Topology
from tests.budget import examples
from tests.cli.conftest import COMMAND
from tests.test_lifecycle import made, soon

slow = pytest.mark.slow(reason="the command as a process")

# -- completion and version ------------------------------------------------------------------------


@pytest.mark.parametrize("form", [("--install-completion", "{}"), ("--install-completion={}",)])
@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("bash", ".bash_completions/lab.sh"),
        ("zsh", ".zfunc/_lab"),
        ("fish", ".config/fish/completions/lab.fish"),
    ],
)
def test_completion_is_installed_for_the_shell_that_is_named(
    shell: str, file: str, form: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    result = CliRunner().invoke(app, [part.format(shell) for part in form], prog_name="lab")
    assert result.exit_code == 0
    assert (tmp_path / file).is_file()


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
@pytest.mark.parametrize("shell", ["sh", "tcsh", "status", "ZSH"])
def test_a_shell_without_completion_is_told_which_have_it(
    option: str, shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for arguments in ([option, shell], [f"{option}={shell}"]):
        result = CliRunner().invoke(app, arguments, prog_name="lab")
        assert isinstance(result.exception, InputError)
        assert all(name in result.exception.remedy for name in SHELLS)
    assert list(tmp_path.iterdir()) == []


def test_completion_completes() -> None:
    done = subprocess.run(
        COMMAND,
        env={**os.environ, "COMP_WORDS": "lab stat", "COMP_CWORD": "1", "_LAB_COMPLETE": "x"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert b"Traceback" not in done.stderr


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert re.fullmatch(r"edge-lab \d+\.\d+\.\d+\S*\n", result.stdout)


# -- what is printed where -----------------------------------------------------------------------

LONG = "edge-arm-building-42"
STATUS = LabStatus(
    lab="default",
    stack="kubernetes+openyurt",
    restored=True,
    kubeconfig="/x",
    versions={},
    nodes=(
        NodeStatus(
            name=LONG,
            arch="aarch64",
            memory_mib=1536,
            ready=False,
            runtime="openyurt (kubelet v1.34.4)",
            address="10.0.0.1",
            accelerator="tcg",
            reboots=1,
        ),
    ),
    links=(
        LinkStatus(
            name=LONG,
            endpoint=LONG,
            network="cloud-netwk",
            state="half-open",
            detail="",
            frames_tx=123456789,
            frames_rx=987654321,
        ),
    ),
    devices=(
        DeviceStatus(
            name=LONG,
            protocol="modbus-rtu-tcp",
            address="10.78.100.100",
            reachable=True,
            sequence=123456,
        ),
    ),
    faults=(
        FaultStatus(id=1234, title=f"delay on {LONG}, 200ms ±20ms, both ways, of tcp only" * 3),
    ),
)


def shown(width: int) -> str:
    sink = io.StringIO()
    Console(file=sink, width=width).print(status_table(STATUS))
    return sink.getvalue()


@pytest.mark.parametrize("width", [80, 100, common.NO_LIMIT])
def test_nothing_of_the_status_is_cut_and_no_name_is_torn(width: int) -> None:
    text = shown(width)
    assert "…" not in text
    assert text.count(LONG) >= 3
    assert "1234" in text
    for part in ("aarch64", "half-open", "cloud-netwk", "123456789", "987654321", "modbus-rtu-tcp"):
        assert part in text
    together = re.sub(r"\s+", "", text)
    assert re.sub(r"\s+", "", STATUS.faults[0].title) in together
    assert all(len(line) <= width for line in text.splitlines())


def test_without_a_terminal_each_row_is_one_line(up: RunDir) -> None:
    text = shown(common.NO_LIMIT)
    assert STATUS.faults[0].title in text
    assert common._console(io.StringIO(), stderr=False).width == common.NO_LIMIT


@pytest.mark.slow(reason="the command as a process")
def test_a_full_disk_on_standard_output_is_no_traceback() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "schema"], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert done.returncode == LabError.exit_code
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@slow
@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), (">&- 2>&- <&-", 0)])
def test_streams_that_are_closed_are_no_traceback(closed: str, code: int) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *COMMAND, "schema"],
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, b"")


# -- a lab that is coming up -----------------------------------------------------------------------


def status_says() -> LabError:
    result = CliRunner().invoke(app, ["status"])
    assert isinstance(result.exception, LabError), result.exception
    return result.exception


def test_a_lab_that_comes_up_says_in_which_stage(default_topology: Topology) -> None:
    run = RunDir(default_topology.name)
    assert "lab up" in status_says().remedy
    run.lock.parent.mkdir(parents=True)
    with FileLock(run.lock), telling_stage(run), step("lab default"):
        assert stage_of(run) == ""
        with step("artifacts"), step("obtain 4 artifacts"):
            assert stage_of(run) == "artifacts, obtain 4 artifacts"
            assert "is starting: artifacts, obtain 4 artifacts" in str(status_says())
        with step("machines"):
            made(default_topology, Condition.COMING_UP)
            assert "is starting: machines" in str(status_says())
    assert stage_of(run) is None
    assert "was interrupted" in str(status_says())


def test_a_start_that_was_killed_is_not_coming_up(default_topology: Topology) -> None:
    run = RunDir(default_topology.name)
    run.lock.parent.mkdir(parents=True)
    run.lock.with_suffix(".stage").write_text("artifacts")
    assert stage_of(run) is None
    assert "is starting" not in str(status_says())
    take_down(default_topology.name, soon())
    assert list(run.lock.parent.iterdir()) == []


# -- odd arguments ---------------------------------------------------------------------------------

PIECES = (
    "status exec cp logs console graph trace fault heal add chaos compare samples schema "
    "doctor --lab -l --json -- -h --seed -1 1e999 nan edge-arm a:b drop link=x default -n . --all "
    "--dry-run"
)
WORDS = st.one_of(
    st.sampled_from(PIECES.split()),
    st.text(
        st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]),
        max_size=12,
    ),
)
READ_ONLY = (
    "status",
    "exec",
    "cp",
    "logs",
    "console",
    "graph",
    "trace",
    "fault",
    "chaos",
    "samples",
    "ssh",
)


@given(command=st.sampled_from(READ_ONLY), rest=st.lists(WORDS, max_size=5))
@settings(max_examples=examples(150))
def test_whatever_is_typed_ends_with_a_sentence(command: str, rest: list[str]) -> None:
    # Without a lab, and without an option that names a file to write.
    arguments = [command, *(word for word in rest if not word.startswith(("--o", "-o")))]
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, EdgeLabError):
        assert result.exception.message
        return
    assert result.exception is None or isinstance(result.exception, SystemExit), (
        arguments,
        result.exception,
    )
    assert result.exit_code in (0, 2), arguments


def test_an_option_that_takes_no_such_number_is_an_input_mistake() -> None:
    for arguments in (
        ["logs", "server", "--lines", "-1"],
        ["logs", "server", "--lines", "many"],
        ["exec", "--timeout", "0", "server", "true"],
    ):
        assert CliRunner().invoke(app, arguments).exit_code == 2, arguments
