"""edge-runsc, built here, between what containerd's shim does and a runsc that only writes down."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from tests.golang import assert_sound, build

pytestmark = pytest.mark.slow(reason="compiles Go")

RUNSC = """\
#!/bin/sh
cd "$(dirname "$0")"
echo "$@" >> calls
case " $* " in
*" create "*) exit $(cat create-status 2>/dev/null || echo 0) ;;
*" start "*)
  if [ -e start-fails ]; then cat start-fails >> "$7"; exit 128; fi
  echo from the container; echo to stderr >&2; cat ;;
*" exec "*)
  if [ -e exec-fails ]; then cat exec-fails >> "$7"; exit 128; fi
  for arg; do
    [ "$previous" != --internal-pid-file ] || echo 42 > "$arg"
    previous=$arg
  done
  echo from the program
  while [ -e running ]; do sleep 0.02; done
  exit 5 ;;
*" wait "*)
  if [ -e wait-fails ]; then rm wait-fails; exit 1; fi
  cat exit
  [ -s exit ] ;;
*" state "*) cat state ;;
*" delete "*) [ ! -e alive ] ;;
*" kill "*)
  case "$*" in *" kill c1 KILL") rm -f alive; exit 0 ;; esac
  [ -e alive ] || { echo "sandbox is not running" >&2; exit 1; } ;;
esac
"""
MORE_FILES = ("exec-fails", "running", "wait-fails", "state")
PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with edge-runsc and the runsc that it calls."""
    folder = tmp_path_factory.mktemp("edge-runsc")
    fake = folder / "runsc"
    fake.write_text(RUNSC)
    fake.chmod(0o755)
    build("runsc", folder / "edge-runsc", f"-ldflags=-X main.runsc={fake}")
    assert_sound("runsc", "vet")
    return folder


@contextlib.contextmanager
def subreaper() -> Iterator[None]:
    """Orphans of this process's children become its own, as they become the shim's."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@dataclass
class Shim:
    """What containerd's shim does with one container."""

    folder: Path
    bundle: Path
    output: int
    """Of the container: read here."""
    streams: tuple[int, int, int]

    def call(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        log = ["--root", str(self.bundle / "root"), "--log", str(self.bundle / "log.json")]
        with contextlib.ExitStack() as opened:
            stdin, stdout = (
                (self.streams[0], self.streams[1])
                if args[0] == "create"
                else (subprocess.DEVNULL, subprocess.DEVNULL)
            )
            errors = opened.enter_context((self.bundle / "stderr").open("w+"))
            done = subprocess.run(
                [self.folder / "edge-runsc", *log, "--log-format", "json", *args],
                stdin=stdin,
                stdout=stdout,
                stderr=self.streams[2] if args[0] == "create" else errors,
                check=False,
                timeout=60,
            )
            errors.seek(0)
            said = errors.read()
        assert not check or done.returncode == 0, said
        return subprocess.CompletedProcess(done.args, done.returncode, "", said)

    def create(self, check: bool = True) -> int:
        """The number in the pid file; 0 without one."""
        pid_file = self.bundle / "init.pid"
        named = ["--bundle", str(self.bundle), "--pid-file", str(pid_file)]
        self.call("create", *named, "c1", check=check)
        return int(pid_file.read_text()) if pid_file.exists() else 0

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def shim(built: Path, tmp_path: Path) -> Iterator[Shim]:
    for name in ("calls", "exit", "alive", "create-status", "start-fails", *MORE_FILES):
        (built / name).unlink(missing_ok=True)
    (built / "exit").write_text('{"id":"c1","exitStatus":7}')
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    annotations = {"io.kubernetes.cri.container-type": "container"}
    (bundle / "config.json").write_text(json.dumps({"annotations": annotations}))
    stdin_read, stdin_write = os.pipe()
    read, write = os.pipe()
    os.close(stdin_write)
    with subreaper():
        yield Shim(built, bundle, read, (stdin_read, write, write))
    for number in (stdin_read, read, write):
        with contextlib.suppress(OSError):
            os.close(number)


def status_of(pid: int) -> int:
    """How it ended; `-signal` if by one."""

    def ended() -> int | None:
        found, status = os.waitpid(pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if found else None

    found = Deadline.after(30).wait_for(
        f"process {pid} has ended", lambda: [code] if (code := ended()) is not None else []
    )
    return found[0]


def is_alive(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG) == (0, 0)


def test_a_container_has_a_process_that_ends_as_its_program_does(shim: Shim) -> None:
    pid = shim.create()
    assert is_alive(pid)
    shim.call("start", "c1")
    assert status_of(pid) == 7
    create, start, wait = shim.calls()
    assert str(shim.bundle / "init.pid") not in create
    assert start.endswith("start c1")
    assert wait.endswith("wait c1")


def test_its_streams_are_those_that_the_shim_gave_it(shim: Shim) -> None:
    pid = shim.create()
    shim.call("start", "c1")
    assert status_of(pid) == 7
    for write in set(shim.streams[1:]):
        os.close(write)
    said = b""
    while part := os.read(shim.output, 4096):  # The end is seen: nobody holds the pipe open.
        said += part
    assert said == b"from the container\nto stderr\n"


def test_a_sandbox_that_is_gone_has_killed_its_containers(shim: Shim) -> None:
    (shim.folder / "exit").write_text("")
    pid = shim.create()
    shim.call("start", "c1")
    assert status_of(pid) == 128 + signal.SIGKILL


def test_a_wait_that_failed_is_no_end_of_the_program(shim: Shim) -> None:
    (shim.folder / "wait-fails").touch()
    (shim.folder / "state").write_text('{"status":"running"}')
    pid = shim.create()
    shim.call("start", "c1")
    assert status_of(pid) == 7
    assert len([line for line in shim.calls() if line.endswith("wait c1")]) == 2


def test_a_program_that_outlives_its_process_is_killed_with_its_container(shim: Shim) -> None:
    pid = shim.create()
    os.kill(pid, signal.SIGKILL)
    assert status_of(pid) == -signal.SIGKILL
    (shim.folder / "alive").touch()
    shim.call("delete", "c1")
    assert [line.rsplit(" ", 3)[-3:] for line in shim.calls()][-2] == ["kill", "c1", "KILL"]


def test_a_container_whose_start_was_broken_off_gets_its_signal(shim: Shim) -> None:
    pid = shim.create()
    (shim.bundle / "starting").touch()  # runsc may have started it, and nobody has said so
    (shim.folder / "alive").touch()
    shim.call("kill", "c1", "15")
    assert [line for line in shim.calls() if line.endswith("kill c1 15")]
    assert status_of(pid) == 7


def test_a_container_that_was_not_started_can_be_killed(shim: Shim) -> None:
    pid = shim.create()
    shim.call("kill", "c1", "15")
    assert status_of(pid) == -signal.SIGKILL
    assert not [line for line in shim.calls() if " kill " in line]


@pytest.mark.parametrize("alive", [True, False])
def test_a_signal_for_a_container_that_has_ended_is_told_in_the_shims_words(
    shim: Shim, alive: bool
) -> None:
    pid = shim.create()
    shim.call("start", "c1")
    status_of(pid)
    if alive:
        (shim.folder / "alive").touch()
    done = shim.call("kill", "--all", "c1", "15", check=False)
    assert (done.returncode, "container not running" in done.stderr) == (
        (0, False) if alive else (1, True)
    )


def test_delete_ends_what_stands_in(shim: Shim) -> None:
    pid = shim.create()
    shim.call("delete", "--force", "c1")
    assert status_of(pid) == -signal.SIGKILL


def test_a_container_that_runsc_does_not_make_leaves_no_process(shim: Shim) -> None:
    (shim.folder / "create-status").write_text("3")
    assert shim.create(check=False) == 0
    pid = int((shim.bundle / "stand-in.pid").read_text())
    assert status_of(pid) == -signal.SIGKILL
    (line,) = (shim.bundle / "log.json").read_text().splitlines()
    assert json.loads(line)["level"] == "error"


def test_why_a_container_did_not_start_is_told(shim: Shim) -> None:
    said = '{"level":"warning","msg":"FATAL ERROR: no such file"}'
    (shim.folder / "start-fails").write_text(f"{said}\n")
    pid = shim.create()
    done = shim.call("start", "c1", check=False)
    assert done.returncode == 1
    assert "no such file" in done.stderr
    assert is_alive(pid)
    shim.call("delete", "--force", "c1")
    assert status_of(pid) == -signal.SIGKILL


def test_a_sandbox_is_runscs_own(shim: Shim) -> None:
    (shim.bundle / "config.json").write_text("{}")
    assert shim.create() == 0
    (create,) = shim.calls()
    assert f"--pid-file {shim.bundle / 'init.pid'}" in create
    assert "--network=sandbox" in create


def test_a_sandbox_in_the_nodes_own_network_is_not_started(shim: Shim) -> None:
    (shim.bundle / "config.json").write_text("{}")
    (shim.bundle / "init.pid").write_text(str(os.getpid()))
    done = shim.call("start", "c1", check=False)
    assert done.returncode == 1
    assert not (shim.folder / "calls").exists()


def execute(shim: Shim, *options: str, check: bool = True) -> int:
    """The number in the pid file of one more program in the container; 0 without one."""
    pid_file = shim.bundle / "e1.pid"
    shim.call(
        *("exec", "--process", "p.json", *options, "--detach", "--pid-file", str(pid_file), "c1"),
        check=check,
    )
    return int(pid_file.read_text()) if pid_file.exists() else 0


def test_one_more_program_ends_as_it_does(shim: Shim) -> None:
    assert status_of(execute(shim)) == 5
    (line,) = shim.calls()
    assert line.endswith(
        f"exec --internal-pid-file {shim.bundle / 'e1.pid.sandbox'} --process p.json c1"
    )


def test_one_more_program_that_is_killed_is_killed_in_the_sandbox(shim: Shim) -> None:
    (shim.folder / "running").touch()
    (shim.folder / "alive").touch()
    pid = execute(shim)
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)
    assert status_of(pid) == -signal.SIGKILL

    def killed() -> list[str]:
        return [line for line in shim.calls() if line.endswith(" kill --pid 42 c1 KILL")]

    # It runs until then: of one that has ended by itself meanwhile, there is nothing to kill.
    Deadline.after(60).wait_for("the program in the sandbox is killed", killed)
    (shim.folder / "running").unlink()


def test_why_one_more_program_did_not_start_is_told(shim: Shim) -> None:
    said = '{"level":"error","msg":"no such program"}'
    (shim.folder / "exec-fails").write_text(f"{said}\n")
    assert execute(shim, check=False) == 0
    assert "no such program" in (shim.bundle / "log.json").read_text().splitlines()[-1]


@pytest.mark.parametrize(
    "args",
    [
        ("exec", "--process", "p.json", "c1"),
        ("exec", "--process", "p.json", "--console-socket", "s", "--detach", "c1"),
        ("pause", "c1"),
    ],
)
def test_other_commands_are_passed_on(shim: Shim, args: tuple[str, ...]) -> None:
    shim.call(*args, check=False)
    (line,) = shim.calls()
    assert line.startswith("--platform=systrap ")
    assert line.endswith(" ".join(args))
