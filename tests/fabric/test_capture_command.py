"""`lab capture` as a process of its own, with a fabric that runs and no lab around it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import edge_lab.bringup.attach
from edge_lab.cli.app import app
from edge_lab.core.errors import InputError
from edge_lab.core.sizes import parse_size

from .captured import captures, exchange, frames_of, soon
from .started import Started

slow = pytest.mark.slow(reason="the command as a process, beside a fabric that is another")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pcapng")

COMMAND = """
import sys
from pathlib import Path
from types import SimpleNamespace
import edge_lab.bringup.attach
from edge_lab.cli import main
from edge_lab.fabric import FabricClient
fabric = FabricClient(Path(sys.argv.pop(1)))
folder = Path(sys.argv.pop(1))
lab = SimpleNamespace(
    fabric=fabric, check_link=fabric.link, run=SimpleNamespace(captures=folder / "captures")
)
edge_lab.bringup.attach.attach = lambda name: lab
sys.argv[0] = "lab"
main()
"""

Lab = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def lab(fabric: Started, tmp_path: Path) -> Iterator[Lab]:
    begun: list[subprocess.Popen[bytes]] = []

    def start(*args: str, **options: object) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-c", COMMAND, str(fabric.client.socket_path), str(tmp_path)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        process = subprocess.Popen(  # type: ignore[call-overload]
            [*argv, "capture", *args, "--lab", "default"],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "COLUMNS": "200"},
            **pipes,
        )
        begun.append(process)
        return process  # type: ignore[no-any-return]

    yield start
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


def begun(fabric: Started) -> None:
    soon("it captures", lambda: captures(fabric))


def said(process: subprocess.Popen[bytes], code: int) -> tuple[bytes, str]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err.decode()
    assert b"Traceback" not in err
    return out, err.decode()


@slow
def test_a_pipe_gets_a_capture_and_nothing_else(fabric: Started, lab: Lab) -> None:
    process = lab("l0", "-o", "-")
    begun(fabric)
    sent = exchange(fabric, 5)
    process.send_signal(signal.SIGINT)
    out, err = said(process, 0)
    assert frames_of(out) == sent
    assert "5 frames in standard output" in err


@slow
@pytest.mark.parametrize("where", ["/dev/stdout", "/dev/fd/1"])
def test_standard_output_by_its_other_names_is_not_emptied(
    fabric: Started, lab: Lab, tmp_path: Path, where: str
) -> None:
    file = tmp_path / "out"
    file.write_bytes(b"before\n")
    with file.open("ab") as out:
        process = lab("l0", "-o", where, "--max-size", "300", stdout=out)
        begun(fabric)
        sent = exchange(fabric, 5)
        said(process, 0)
    before, _, capture = file.read_bytes().partition(b"\n")
    assert before == b"before"
    assert frames_of(capture) == sent[: len(frames_of(capture))] != []


@slow
def test_a_terminal_is_not_written_to(fabric: Started, lab: Lab) -> None:
    ours, theirs = pty.openpty()
    process = lab("l0", "-o", "-", stdout=theirs)
    _, err = said(process, 2)
    assert "terminal" in err
    assert captures(fabric) == 0
    os.close(ours)
    os.close(theirs)


@slow
@pytest.mark.parametrize("end", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_whatever_ends_it_the_file_is_whole(
    fabric: Started, lab: Lab, tmp_path: Path, end: signal.Signals
) -> None:
    file = tmp_path / "l0.pcapng"
    process = lab("l0", "-o", str(file), "--seconds", "60")
    begun(fabric)
    sent = exchange(fabric, 5)
    process.send_signal(end)
    out, _ = said(process, 0)
    assert frames_of(file) == sent
    assert b"5 frames in" in out


@slow
def test_it_is_ended_by_another_command(fabric: Started, lab: Lab, tmp_path: Path) -> None:
    process = lab("l0", "--max-size", "1G")
    begun(fabric)
    sent = exchange(fabric, 3)
    file = tmp_path / "captures" / "l0.pcapng"
    out, _ = said(lab("l0", "--stop"), 0)
    assert str(file) in out.decode()
    assert b"3 frames in" in said(process, 0)[0]
    assert frames_of(file) == sent
    assert "not being captured" in said(lab("l0", "--stop"), 2)[1]


@slow
def test_a_reader_that_has_enough_ends_it(fabric: Started, lab: Lab) -> None:
    process = lab("l0", "-o", "-")
    begun(fabric)
    assert process.stdout
    process.stdout.close()
    process.stdout = None
    soon("it has ended", lambda: process.poll() is not None)
    _, err = said(process, 0)
    assert "frames in standard output" in err
    exchange(fabric, 3)


@slow
def test_a_full_disk_is_the_machines_trouble(lab: Lab) -> None:
    _, err = said(lab("l0", "-o", "/dev/full"), 3)
    assert "No space left on device" in err


def test_what_cannot_be_right_is_refused_before_a_capture_begins(
    fabric: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = SimpleNamespace(
        fabric=fabric.client,
        check_link=fabric.client.link,
        run=SimpleNamespace(captures=tmp_path / "captures"),
    )
    monkeypatch.setattr(edge_lab.bringup.attach, "attach", lambda name: lab)
    for words in (
        "l9",
        "l0 --output=",
        "l0 --max-size=",
        "l0 --max-size 0",
        "l0 --max-size ten",
        "l0 --files 2",
        "l0 --files 2 --max-size 1K -o -",
        "l0 --files 2 --max-size 1K -o /dev/null",
        "l0 --seconds 0",
        "l0 --seconds nan",
        "l0 -o /proc/nothing/here",
        f"l0 -o {tmp_path}",
        "l0 --stop",
    ):
        result = CliRunner().invoke(app, ["capture", *words.split(), "--lab", "default"])
        assert isinstance(result.exception, InputError), words
        assert captures(fabric) == 0


@pytest.mark.parametrize(
    ("text", "size"),
    [("1500", 1500), ("500K", 500_000), ("10M", 10**7), ("1.5g", 1_500_000_000), ("1Ki", 1024)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "K", "-1", "0", "0M", "1T", "1e3", "ten", "inf"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(InputError):
        parse_size(text)
