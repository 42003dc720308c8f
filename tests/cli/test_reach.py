"""`lab exec` and `lab cp`: bytes as they are, and nothing left running in the guest."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from edge_lab.cli.app import app
from edge_lab.cli.copying import Here, OnNode, parse_place
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError, InputError
from edge_lab.core.home import RunDir
from edge_lab.machines.ssh import SshClient
from tests.cli.conftest import NODE, Reached, gone

slow = pytest.mark.slow(reason="a shell on a node that follows its client, each a process")

ALL_BYTES = bytes(range(256)) * 64


# -- exec: streams and codes -------------------------------------------------------------------


@slow
def test_output_is_the_command_s_to_the_byte(reached: Reached) -> None:
    (reached.home / "bytes").write_bytes(ALL_BYTES)
    file = str(reached.home / "bytes")
    done = reached.lab("exec", NODE, "--", "head", "-c", "4096", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, ALL_BYTES[:4096], b"")


@slow
def test_input_errors_and_exit_code_are_passed_on(reached: Reached) -> None:
    sent = os.urandom(300_000)
    done = reached.lab("exec", NODE, "cat; printf '\\377err' >&2; exit 7", stdin=sent)
    assert done.stdout == sent
    assert (done.returncode, done.stderr) == (7, b"\xfferr")
    killed = reached.lab("exec", NODE, "kill -KILL $$")
    assert (killed.returncode, killed.stdout, killed.stderr) == (137, b"", b"")


@slow
def test_output_comes_while_the_command_runs(reached: Reached) -> None:
    argv = reached.argv("exec", NODE, "echo one; cat; echo two")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"one\n"
        process.stdin.close()
        assert process.stdout.read() == b"two\n"
    assert process.returncode == 0


@slow
def test_what_follows_the_node_belongs_to_the_command(reached: Reached) -> None:
    for arguments in (
        ("printf", "%s|", "-h", "-l", "/", "--", "--lab", "x"),
        ("--", "printf", "%s|", "-h", "-l", "/", "--", "--lab", "x"),
    ):
        done = reached.lab("exec", NODE, *arguments)
        assert done.stdout == b"-h|-l|/|--|--lab|x|", done.stderr


def test_an_option_of_ours_behind_the_node_is_named(up: RunDir) -> None:
    for arguments in (("--lab", "x", "true"), ("-h",)):
        result = CliRunner().invoke(app, ["exec", NODE, *arguments])
        assert isinstance(result.exception, InputError)
        assert "before NODE" in result.exception.remedy
    for nothing in ([], ["--"]):
        result = CliRunner().invoke(app, ["exec", NODE, *nothing])
        assert 2 in (result.exit_code, getattr(result.exception, "exit_code", 0))


def test_a_node_that_is_not_there_is_an_input_error(up: RunDir) -> None:
    result = CliRunner().invoke(app, ["exec", "edge-arn", "true"])
    assert isinstance(result.exception, InputError)
    assert NODE in result.exception.remedy


def test_a_node_that_does_not_answer_is_the_lab_s_trouble(reached: Reached) -> None:
    config = reached.run.ssh_config
    config.write_text(config.read_text().replace("Port ", "Port 9 #"))
    done = reached.lab("exec", NODE, "exit 255")
    # With pipes for a connection the machine answers, but no SSH server greets.
    assert done.returncode == 3
    assert NODE.encode() in done.stderr


# -- exec: the command ends with its client ------------------------------------------------------


def running(reached: Reached, command: str, tell: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        reached.argv("exec", NODE, command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    Deadline.after(30).wait_for("the command runs", tell.exists, every=0.05)
    return process


@slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_command_ends_with_its_client(
    reached: Reached, sign: signal.Signals, tmp_path: Path
) -> None:
    tell = tmp_path / f"runs-{sign.name}"
    process = running(reached, f"touch '{tell}'; while :; do sleep 0.2 '0{tell}'; done", tell)
    assert not gone(f"touch '{tell}'")
    process.send_signal(sign)
    process.wait(20)
    Deadline.after(20).wait_for("the command ends", lambda: gone(str(tell)), every=0.1)


@slow
def test_a_command_that_ignores_the_hangup_is_killed(reached: Reached, tmp_path: Path) -> None:
    tell = tmp_path / "stubborn"
    line = f"trap '' HUP TERM; touch '{tell}'; while :; do sleep 0.2 || echo '{tell}'; done"
    process = running(reached, line, tell)
    process.kill()
    process.wait(20)
    Deadline.after(20).wait_for("the command ends", lambda: gone(str(tell)), every=0.1)


@slow
def test_a_timeout_ends_the_command_and_is_the_lab_s_trouble(
    reached: Reached, tmp_path: Path
) -> None:
    tell = tmp_path / "late"
    line = f"touch '{tell}'; while :; do sleep 0.2 || echo '{tell}'; done"
    done = reached.lab("exec", "--timeout", "2", NODE, line)
    assert done.returncode == 3
    Deadline.after(20).wait_for("the command ends", lambda: gone(str(tell)), every=0.1)


@slow
def test_what_a_command_has_left_running_on_purpose_stays(reached: Reached, tmp_path: Path) -> None:
    tell = tmp_path / "stays"
    line = f"setsid sh -c 'sleep 2; touch {tell}' </dev/null >/dev/null 2>&1 & exit 0"
    assert reached.lab("exec", NODE, line).returncode == 0
    Deadline.after(20).wait_for("it has gone on", tell.exists, every=0.1)


@slow
def test_a_reader_that_has_enough_ends_an_endless_command(reached: Reached) -> None:
    with subprocess.Popen(
        reached.argv("exec", NODE, "yes"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"y\ny\n"
        process.stdout.close()
        assert process.wait(20) != 0


# -- cp ------------------------------------------------------------------------------------------


def cp(*arguments: str) -> int:
    """The exit code of `lab cp`, run in this process."""
    result = CliRunner().invoke(app, ["cp", *arguments])
    if isinstance(result.exception, EdgeLabError):
        return result.exception.exit_code
    assert result.exit_code == 0 or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "a tree"
    (root / "sub" / "empty").mkdir(parents=True)
    (root / ".hidden").write_bytes(ALL_BYTES)
    (root / "sub" / "run me").write_text("#!/bin/sh\n")
    (root / "sub" / "run me").chmod(0o750)
    (root / "sub" / "link").symlink_to("run me")
    (root / "sub").chmod(0o711)
    return root


@slow
def test_a_file_goes_there_and_comes_back_with_its_mode(reached: Reached, tmp_path: Path) -> None:
    first = tmp_path / "-it's a file"
    first.write_bytes(os.urandom(200_000))
    first.chmod(0o640)
    there = reached.lab("cp", "--", first.name, f"{NODE}:{reached.home}/there", cwd=tmp_path)
    assert (there.returncode, there.stdout, there.stderr) == (0, b"", b"")
    assert cp(f"{NODE}:{reached.home}/there", str(tmp_path / "back")) == 0
    for copied in (reached.home / "there", tmp_path / "back"):
        assert digest(copied) == digest(first)
        assert stat.S_IMODE(copied.stat().st_mode) == 0o640
    assert {path.name for path in reached.home.iterdir()} == {"there"}


@slow
def test_a_file_goes_into_a_folder_and_replaces_what_a_link_leads_to(
    reached: Reached, tmp_path: Path
) -> None:
    first = tmp_path / "a:b"
    first.write_text("new")
    (reached.home / "real").write_text("old")
    (reached.home / "a:b").symlink_to("real")
    assert cp(f"{tmp_path}/a:b", f"{NODE}:{reached.home}") == 0
    assert (reached.home / "a:b").is_symlink()
    assert (reached.home / "real").read_text() == "new"


@slow
def test_a_folder_goes_with_all_in_it_and_only_if_asked(
    reached: Reached, tree: Path, tmp_path: Path
) -> None:
    where = f"{NODE}:{reached.home}"
    assert cp(str(tree), where) == 2
    assert list(reached.home.iterdir()) == []
    mode = stat.S_IMODE(reached.home.stat().st_mode)
    for _ in range(2):  # the second time over what is there
        assert cp("-r", str(tree), where) == 0
    assert stat.S_IMODE(reached.home.stat().st_mode) == mode
    assert cp("-r", f"{where}/a tree/", str(tmp_path / "new name")) == 0
    for copied in (reached.home / "a tree", tmp_path / "new name"):
        assert (copied / ".hidden").read_bytes() == ALL_BYTES
        assert stat.S_IMODE((copied / "sub" / "run me").stat().st_mode) == 0o750
        assert stat.S_IMODE((copied / "sub").stat().st_mode) == 0o711
        assert (copied / "sub" / "link").readlink() == Path("run me")
        assert (copied / "sub" / "empty").is_dir()


@slow
def test_a_copy_that_cannot_be_says_so_and_changes_nothing(
    reached: Reached, tree: Path, tmp_path: Path
) -> None:
    home = f"{NODE}:{reached.home}"
    file = str(tree / ".hidden")
    (reached.home / "folder").mkdir()
    (reached.home / "file").touch()
    for source, target in (
        (str(tmp_path / "none"), home),
        (f"{home}/none", str(tmp_path)),
        (file, f"{home}/no/folder"),
        (file, f"{home}/none/"),
        (str(tree), f"{home}/file"),
        (str(tree), str(tmp_path / "x")),
        (file, "nobody:x"),
        (f"{NODE}:/dev/null", str(tmp_path)),
        (file, f"{NODE}:/dev/null"),
        ("", home),
        (f"{home}/folder", f"{home}/folder/inside"),
    ):
        assert cp("-r", source, target) == 2, (source, target)
    assert {path.name for path in reached.home.rglob("*")} == {"folder", "file"}


@slow
def test_a_copy_that_breaks_off_leaves_no_half_file(reached: Reached, tmp_path: Path) -> None:
    endless = tmp_path / "endless"
    with endless.open("wb") as file:
        file.truncate(1 << 40)  # a hole: takes hours to copy
    (reached.home / "endless").write_text("what was there")
    process = subprocess.Popen(
        reached.argv("cp", str(endless), f"{NODE}:{reached.home}"), stderr=subprocess.DEVNULL
    )

    def under_way() -> bool:
        return any(path.stat().st_size > 1 << 20 for path in reached.home.glob(".lab-cp.*/*"))

    Deadline.after(30).wait_for("the copy is under way", under_way, every=0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) not in (0, 1)
    Deadline.after(20).wait_for(
        "the rest is cleared away",
        lambda: [path.name for path in reached.home.iterdir()] == ["endless"],
        every=0.1,
    )
    assert (reached.home / "endless").read_text() == "what was there"


CLIENTS = {NODE: SshClient(RunDir("default"), NODE, 9)}


@given(text=st.text(min_size=1, max_size=30).filter(lambda text: "\0" not in text))
def test_a_place_is_a_path_here_or_on_a_node_that_there_is(text: str) -> None:
    before, colon, path = text.partition(":")
    try:
        place = parse_place(text, CLIENTS)
    except InputError:
        assert colon
        assert before
        assert "/" not in before
        return
    if colon and before == NODE:
        assert place.path == (path or ".")
    else:
        assert place == parse_place(text, {})
        assert place.path == text


def test_a_place_on_a_node_begins_at_root_s_home() -> None:
    for text, path in (
        ("", "."),
        ("~", "."),
        ("~/x", "x"),
        ("x", "x"),
        ("/x", "/x"),
        ("a:b", "a:b"),
    ):
        place = parse_place(f"{NODE}:{text}", CLIENTS)
        assert isinstance(place.machine, OnNode)
        assert place.path == path
    assert parse_place("./edge-arm:x", CLIENTS).machine == Here()
