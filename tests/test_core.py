"""The core: deadlines, steps, processes, the run directory, provisioning data, errors."""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.core import process as module
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import (
    DeadlineExceeded,
    EdgeLabError,
    InputError,
    LabError,
    MissingCapability,
)
from edge_lab.core.home import RunDir, cache_home
from edge_lab.core.process import (
    MARK,
    LabProcess,
    demand_of_others,
    end_processes,
    marked_environment,
    processes_of,
    spawn,
)
from edge_lab.core.speed import patience
from edge_lab.core.step import Phase, StepEvent, listening, step
from edge_lab.provisioning.provision import GuestFile, PayloadFile, Provision

unhurried = settings(deadline=None)
"""How long one example takes is the machine's affair, and it may be busy."""

# -- errors ------------------------------------------------------------------------------


def test_each_kind_of_trouble_has_its_exit_code() -> None:
    assert LabError("x").exit_code == 3
    assert DeadlineExceeded("x").exit_code == 3
    assert InputError("x").exit_code == 2


def test_an_error_shows_its_remedy_below_its_message() -> None:
    assert str(LabError("the wire is gone", remedy="Lay it again.")) == (
        "the wire is gone\n  Lay it again."
    )
    assert str(LabError("the wire is gone")) == "the wire is gone"


def test_an_input_error_begins_with_file_and_line() -> None:
    assert str(InputError("no", file="lab.yaml", line=7)) == "lab.yaml:7: no"
    assert str(InputError("no", file="lab.yaml")) == "lab.yaml: no"


def test_a_missing_capability_is_no_lab_error() -> None:
    assert issubclass(MissingCapability, EdgeLabError)
    assert not issubclass(MissingCapability, LabError)


# -- deadline ----------------------------------------------------------------------------


def test_a_wait_returns_the_first_true_thing() -> None:
    answers = iter([None, "", 0, "found"])
    assert Deadline.after(5).wait_for("it", lambda: next(answers), every=0) == "found"


def test_a_wait_in_vain_says_what_and_how_long() -> None:
    with pytest.raises(DeadlineExceeded, match=r"the pod: not seen within 0 s"):
        Deadline.after(0.01).wait_for("the pod", lambda: None, every=0.001)


def test_a_wait_in_vain_chains_the_last_transient_trouble() -> None:
    numbers = iter(range(10_000))

    def probe() -> None:
        raise ConnectionError(f"refused {next(numbers)}")

    with pytest.raises(DeadlineExceeded, match="last: refused") as caught:
        Deadline.after(0.02).wait_for("it", probe, every=0.001, transient=(ConnectionError,))
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_trouble_that_is_not_transient_ends_a_wait_at_once() -> None:
    def probe() -> None:
        raise ValueError("no use")

    with pytest.raises(ValueError, match="no use"):
        Deadline.after(60).wait_for("it", probe)


def test_a_watch_that_raises_ends_a_wait_before_the_next_try() -> None:
    tries: list[int] = []

    def watch() -> None:
        if len(tries) == 2:
            raise LabError("kernel panic")

    with pytest.raises(LabError, match="kernel panic"):
        Deadline.after(60).wait_for("it", lambda: tries.append(1), every=0, watch=watch)
    assert len(tries) == 2


def test_an_expired_deadline_still_gives_one_try() -> None:
    assert Deadline.after(0).wait_for("it", lambda: "there") == "there"


@unhurried
@given(outer=st.floats(0, 1000), inner=st.floats(0, 1000))
def test_a_part_of_a_deadline_never_ends_after_the_whole(outer: float, inner: float) -> None:
    whole = Deadline.after(outer)
    part = whole.within(inner)
    assert part.remaining <= whole.remaining + 0.05
    assert part.remaining <= inner * patience()


def test_remaining_time_is_never_negative() -> None:
    gone = Deadline.after(-5)
    assert gone.remaining == 0
    assert gone.expired
    with pytest.raises(DeadlineExceeded, match="boot: not done"):
        gone.check("boot")


# -- step --------------------------------------------------------------------------------


def recorded(events: list[StepEvent]) -> list[tuple[str, str]]:
    return [(event.title, event.phase.value) for event in events]


def test_steps_nest_and_tell_their_parents() -> None:
    events: list[StepEvent] = []
    with listening(events.append), step("up"), step("boot") as boot:
        boot.progress("kernel", 0.5)
    assert recorded(events) == [
        ("up", "start"),
        ("boot", "start"),
        ("boot", "progress"),
        ("boot", "end"),
        ("up", "end"),
    ]
    up, boot_start, progress = events[0], events[1], events[2]
    assert up.parent is None
    assert boot_start.parent == up.id
    assert (progress.detail, progress.done) == ("kernel", 0.5)


def test_a_step_that_fails_tells_the_first_line_and_lets_the_error_pass() -> None:
    events: list[StepEvent] = []
    with listening(events.append), pytest.raises(LabError), step("boot"):
        raise LabError("no console", remedy="Look.")
    assert (events[-1].phase, events[-1].detail) == (Phase.FAIL, "no console")


def test_after_a_failed_step_the_next_one_is_not_its_child() -> None:
    events: list[StepEvent] = []
    with listening(events.append):
        with pytest.raises(LabError), step("one"):
            raise LabError("x")
        with step("two"):
            pass
    assert [event.parent for event in events if event.title == "two"] == [None, None]


def test_a_step_in_a_thread_hangs_below_the_parent_it_was_given() -> None:
    events: list[StepEvent] = []
    with listening(events.append), step("all") as parent:

        def work() -> None:
            with step("one node", parent=parent):
                pass

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    child = next(event for event in events if event.title == "one node")
    assert child.parent == parent.id


def test_nobody_is_told_once_the_listening_is_over() -> None:
    events: list[StepEvent] = []
    with listening(events.append):
        pass
    with step("unheard"):
        pass
    assert events == []


# -- home --------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    base = tmp_path_factory.mktemp("c")
    monkeypatch.setenv("XDG_CACHE_HOME", str(base))
    return base


def test_the_cache_is_where_xdg_says(cache: Path) -> None:
    assert cache_home() == cache / "edge-lab"
    assert cache_home().is_dir()


def test_without_xdg_the_cache_is_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_home() == tmp_path / ".cache" / "edge-lab"


def test_a_cache_that_cannot_be_made_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(LabError, match="XDG_CACHE_HOME"):
        cache_home()


def short_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


def test_a_run_directory_is_private_and_so_are_its_keys(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_lab.core.shortpath.SOCKET_PATH_LIMIT", 1000)
    run = RunDir("one")
    run.make()
    for room in (run.path, run.keys):
        assert stat.S_IMODE(room.stat().st_mode) == 0o700
    for room in (run.logs, run.consoles, run.captures, run.devices, run.disks):
        assert room.is_dir()
    assert run.lock.parent == run.path.parent
    assert run.path not in run.lock.parents


def test_two_labs_share_nothing_but_the_cache(cache: Path) -> None:
    one, two = RunDir("one"), RunDir("two")
    assert one.path != two.path
    assert one.lock != two.lock


# -- process -----------------------------------------------------------------------------

SLEEPER = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('here', flush=True); time.sleep(60)",
]


def spoken(log: Path, word: str = "here") -> None:
    Deadline.after(20).wait_for(word, lambda: log.exists() and word in log.read_text(), every=0.01)


def test_a_spawned_process_is_found_by_its_mark_and_ended(tmp_path: Path) -> None:
    process = spawn(SLEEPER, run=tmp_path / "run", log=tmp_path / "log")
    spoken(tmp_path / "log")
    assert [each.pid for each in processes_of(tmp_path / "run")] == [process.pid]
    ended = end_processes(tmp_path / "run", Deadline.after(20))
    assert [each.pid for each in ended] == [process.pid]
    assert process.wait(timeout=10) != 0
    assert list(processes_of(tmp_path / "run")) == []


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    process = spawn(STUBBORN, run=tmp_path / "run", log=tmp_path / "log")
    spoken(tmp_path / "log")
    end_processes(tmp_path / "run", Deadline.after(1.0))
    assert process.wait(timeout=10) == -9


def test_children_inherit_the_mark(tmp_path: Path) -> None:
    nested = f"import subprocess, sys; subprocess.run({SLEEPER!r})"
    process = spawn([sys.executable, "-c", nested], run=tmp_path / "run", log=tmp_path / "log")
    spoken(tmp_path / "log")
    assert len(list(processes_of(tmp_path / "run"))) == 2
    assert len(end_processes(tmp_path / "run", Deadline.after(20))) == 2
    process.wait(timeout=10)


def test_a_process_that_comes_while_others_are_ended_is_ended_too(tmp_path: Path) -> None:
    late = f"trap 'exec {sys.executable} -c \"import time; time.sleep(60)\" & exit' TERM"
    waits = "echo here; while :; do sleep 0.05; done"
    process = spawn(["bash", "-c", f"{late}; {waits}"], run=tmp_path, log=tmp_path / "log")
    spoken(tmp_path / "log")
    ended = [each.command for each in end_processes(tmp_path, Deadline.after(20))]
    process.wait(timeout=10)
    assert any("time.sleep" in each for each in ended if not each.startswith("bash"))
    assert list(processes_of(tmp_path)) == []


def test_a_process_in_the_middle_of_its_exec_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting, kernel = tmp_path / "proc" / "11", tmp_path / "proc" / "12"
    for each in (starting, kernel):
        each.mkdir(parents=True)
        (each / "environ").touch()
        (each / "cmdline").touch()
    (starting / "exe").symlink_to("/bin/true")
    monkeypatch.setattr(module, "PROC", tmp_path / "proc")

    def begin(_: float) -> None:
        (starting / "environ").write_bytes(f"{MARK}={tmp_path}\0".encode())
        (starting / "cmdline").write_bytes(b"true\0")

    monkeypatch.setattr("edge_lab.core.process.time.sleep", begin)
    assert [each.pid for each in processes_of(tmp_path)] == [11]


def test_the_demand_of_others_counts_what_runs_and_neither_sleepers_nor_labs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEMAND_SECONDS", 0.3)
    busy = spawn(
        [sys.executable, "-c", "print('here', flush=True)\nwhile True: pass"],
        run=tmp_path / "busy",
        log=tmp_path / "busy.log",
    )
    idle = spawn(SLEEPER, run=tmp_path / "idle", log=tmp_path / "idle.log")
    spoken(tmp_path / "busy.log")
    spoken(tmp_path / "idle.log")
    there = tmp_path / "proc"
    there.mkdir()
    for pid in (busy.pid, idle.pid, os.getpid()):
        (there / str(pid)).symlink_to(module.PROC / str(pid))
    labs = list(processes_of(tmp_path / "busy"))
    assert [each.pid for each in labs] == [busy.pid]

    def demand(*labs: LabProcess) -> float:
        with monkeypatch.context() as patch:
            patch.setattr(module, "PROC", there)
            patch.setattr(module, "processes_of", lambda _: labs)
            return demand_of_others()

    # One thread that never sleeps: on a loaded machine it waits when it does not run.
    assert 0.7 < demand() < 1.3
    assert demand(*labs) < 0.3
    for run in ("busy", "idle"):
        assert len(end_processes(tmp_path / run, Deadline.after(20))) == 1


def test_processes_of_another_run_are_left_alone(tmp_path: Path) -> None:
    process = spawn(SLEEPER, run=tmp_path / "other", log=tmp_path / "log")
    spoken(tmp_path / "log")
    try:
        # A run whose path begins like the other's is not the other's.
        assert end_processes(tmp_path / "oth", Deadline.after(1)) == []
        assert process.poll() is None
    finally:
        process.kill()
        process.wait(timeout=10)


def test_a_program_that_is_not_there_is_a_lab_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no-such-program is not installed"):
        spawn(["no-such-program"], run=tmp_path, log=tmp_path / "log")


def test_the_environment_of_a_lab_process_is_ours_and_the_mark(tmp_path: Path) -> None:
    environment = marked_environment(tmp_path, {"MORE": "1"})
    assert environment[MARK] == str(tmp_path)
    assert environment["MORE"] == "1"
    assert environment["PATH"] == os.environ["PATH"]
    assert MARK not in os.environ


def test_a_wait_does_not_outlast_its_deadline() -> None:
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        Deadline.after(0.05).wait_for("it", lambda: None, every=30)
    assert time.monotonic() - begun < 5


# -- provision ---------------------------------------------------------------------------

FILE = GuestFile.text("/etc/a", "one\n")
UNIT = Provision(files=(FILE,), units=("a.service",))

contents = st.binary(max_size=4)
provisions = st.builds(
    Provision,
    files=st.lists(
        st.builds(GuestFile, path=st.sampled_from(["/a", "/b", "/c"]), content=st.just(b"x")),
        unique_by=lambda file: file.path,
    ).map(tuple),
    units=st.lists(st.sampled_from(["a.service", "b.service"]), unique=True).map(tuple),
)


def test_text_files_are_utf_8_and_readable_by_all_unless_told() -> None:
    assert GuestFile.text("/etc/a", "one\n") == GuestFile("/etc/a", b"one\n", 0o644)
    assert GuestFile.text("/k", "ä", 0o600) == GuestFile("/k", b"\xc3\xa4", 0o600)


def test_the_same_thing_wanted_twice_is_there_once() -> None:
    assert UNIT + UNIT == UNIT


def test_two_contents_for_one_path_are_refused() -> None:
    other = Provision(files=(GuestFile.text("/etc/a", "two\n"),))
    with pytest.raises(LabError, match="/etc/a"):
        UNIT + other


def test_two_modes_for_one_path_are_refused() -> None:
    with pytest.raises(LabError, match="/etc/a"):
        UNIT + Provision(files=(GuestFile.text("/etc/a", "one\n", 0o600),))


def test_payload_files_of_one_path_must_be_the_same_file(tmp_path: Path) -> None:
    one = Provision(payload=(PayloadFile("bin/k", tmp_path / "k", "aa"),))
    two = Provision(payload=(PayloadFile("bin/k", tmp_path / "k", "bb"),))
    assert (one + one).payload == one.payload
    with pytest.raises(LabError, match="bin/k"):
        one + two


@unhurried
@given(one=provisions, two=provisions, three=provisions)
def test_provisions_add_up_whatever_the_grouping(
    one: Provision, two: Provision, three: Provision
) -> None:
    assert (one + two) + three == one + (two + three) == Provision.total([one, two, three])
    assert one + Provision() == one == Provision() + one
