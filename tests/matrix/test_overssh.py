"""Both ends of the connection to a host, without one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_lab.core.errors import InputError, LabError
from edge_lab.matrix import overssh, remote
from edge_lab.matrix.archive import MARK, find_mark, pack
from edge_lab.matrix.hosts import HostLost
from edge_lab.matrix.model import Host
from edge_lab.matrix.overssh import LOG, SshRunner, command_line, reason
from edge_lab.matrix.plan import Plan
from edge_lab.matrix.record import Record, attempts, read_record, shard_folder
from tests.matrix.plans import plan, record, result, shard

HOST = Host(ssh="one", folder="~/my lab")
PLAN = plan(shard(0), shard(1))


@pytest.fixture
def attempt(tmp_path: Path) -> Path:
    folder = tmp_path / "shard-001" / "attempt-2"
    folder.mkdir(parents=True)
    return folder


def sent(folder: Path, of: Plan = PLAN, index: int = 1, code: int = 0) -> bytes:
    """What a host sends of an attempt."""
    done = record(of, index, code, folder)
    result(done, "a", "suites.test_1", 0, 1)
    stream = io.BytesIO()
    pack(done, "shard.json", stream)
    return MARK + stream.getvalue()


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Stands in for ssh: its output, its errors and its exit code."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def answer(output: bytes, code: int, errors: str = "") -> None:
        (folder / "output").write_bytes(output)
        (folder / "errors").write_text(errors)
        program = folder / "ssh"
        program.write_text(
            f"#!/bin/sh\nhead -n 1 > {folder}/input\n"
            f"cat {folder}/output\ncat {folder}/errors >&2\nexit {code}\n"
        )
        program.chmod(0o755)

    return answer


Answers = Callable[..., None]


def test_the_command_is_one_of_ssh_with_its_checks_of_host_keys() -> None:
    words = command_line(HOST, 3)
    assert words[-2:] == ["one", "cd 'my lab' && .venv/bin/lab matrix remote-shard --index=3"]
    assert words[-3] == "--"
    assert "-oBatchMode=yes" in words
    assert not any("HostKey" in word or "KnownHosts" in word for word in words)


def test_results_arrive_as_those_of_the_next_attempt_here(
    answers: Answers, attempt: Path, tmp_path: Path
) -> None:
    answers(b"Welcome!\n" + sent(tmp_path / "there", code=1), 1, "pytest says\n")
    told = SshRunner().run(HOST, PLAN, PLAN.shards[1], attempt)
    assert (told.code, told.attempt) == (1, 2)
    assert read_record(attempt) == told
    assert (attempt / "allure-results" / "a-result.json").is_file()
    assert "pytest says" in (attempt / LOG).read_text()
    assert {path.name for path in attempt.iterdir()} == {LOG, "allure-results", "shard.json"}
    assert (tmp_path / "bin" / "input").read_text() == f"{PLAN.model_dump_json()}\n"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data, 255),
        (lambda data: data, 1),
        (lambda data: data[: len(MARK) + 1700], 0),  # in the middle of the record
        (lambda data: b"", 0),
        (lambda data: b"x" * len(data), 0),
    ],
    ids=["lost connection", "another code", "a part", "nothing", "no tar"],
)
def test_results_that_did_not_arrive_whole_are_none(
    change: Callable[[bytes], bytes], code: int, answers: Answers, attempt: Path, tmp_path: Path
) -> None:
    answers(change(sent(tmp_path / "there")), code, "Connection reset\n")
    with pytest.raises(HostLost, match="Connection reset"):
        SshRunner().run(HOST, PLAN, PLAN.shards[1], attempt)
    assert [path.name for path in attempt.iterdir()] == [LOG]


@pytest.mark.parametrize(("of", "index"), [(plan(shard(0), shard(1), shard(2)), 1), (PLAN, 0)])
def test_results_of_something_else_are_none(
    of: Plan, index: int, answers: Answers, attempt: Path, tmp_path: Path
) -> None:
    answers(sent(tmp_path / "there", of, index), 0)
    with pytest.raises(HostLost):
        SshRunner().run(HOST, PLAN, PLAN.shards[1], attempt)


def test_a_host_that_refuses_the_plan_is_named_with_its_reason(
    answers: Answers, attempt: Path
) -> None:
    answers(b"", 4, "error: x.yaml: not the one of the plan\n→ plan again\n")
    with pytest.raises(InputError, match=r"host one refuses shard 1: x\.yaml: not") as trouble:
        SshRunner().run(HOST, PLAN, PLAN.shards[1], attempt)
    assert "on one" in trouble.value.remedy


def test_wrong_input_of_pytest_is_a_result(answers: Answers, attempt: Path, tmp_path: Path) -> None:
    answers(sent(tmp_path / "there", code=4), 4)
    assert SshRunner().run(HOST, PLAN, PLAN.shards[1], attempt).code == 4


def test_a_shard_that_begins_after_the_end_ends_at_once(
    answers: Answers, attempt: Path, tmp_path: Path
) -> None:
    answers(b"", 143)
    runner = SshRunner()
    runner.end()
    with pytest.raises(HostLost):
        runner.run(HOST, PLAN, PLAN.shards[1], attempt)
    assert (tmp_path / "bin" / "input").read_text() == ""


def test_a_host_that_does_not_end_is_lost(
    answers: Answers, attempt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overssh, "END_SECONDS", 0.0)
    monkeypatch.setattr(overssh, "FETCH_SECONDS", 0.0)
    answers(b"", 0)
    with (tmp_path / "bin" / "ssh").open("w") as program:
        program.write("#!/bin/sh\nexec cat\n")
    late = PLAN.model_copy(update={"limit_s": 0.01})
    with pytest.raises(HostLost):
        SshRunner().run(HOST, late, late.shards[1], attempt)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no output"),
        ("a\nb\n", "b"),
        ("x\nerror: no\n→ do\n", "no"),
        ("error: a\nerror: b\nc", "b"),
    ],
)
def test_the_reason_is_the_last_error_or_the_last_line(
    text: str, told: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_text(text)
    assert reason(log) == told


def test_without_a_mark_a_stream_is_read_from_its_beginning() -> None:
    stream = io.BytesIO(b"tar")
    find_mark(stream)
    assert stream.read() == b"tar"


# -- On the host -------------------------------------------------------------------------------


@pytest.fixture
def cleared(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The labs that were taken down. The input does not end before the test."""
    found: list[str] = []
    monkeypatch.setattr(remote, "clear", found.append)
    monkeypatch.setattr(remote, "known_labs", list)
    reading, writing = os.pipe()
    with os.fdopen(reading) as source:
        monkeypatch.setattr(sys, "stdin", source)
        yield found
        os.close(writing)
        for thread in threading.enumerate():
            if thread.name == "input":
                thread.join(60)


def runs(monkeypatch: pytest.MonkeyPatch, result: int | BaseException) -> None:
    def run_shard(of: Plan, index: int, results: Path) -> Record:
        if isinstance(result, BaseException):
            raise result
        record(of, index, result, results)
        (attempt,) = attempts(shard_folder(results, index))
        done = read_record(attempt)
        assert done is not None
        return done

    monkeypatch.setattr(remote, "run_shard", run_shard)


@pytest.mark.parametrize(("code", "times"), [(0, 0), (1, 0), (11, 0), (10, 1)])
def test_what_is_left_of_a_broken_lab_is_taken_down_on_the_host(
    code: int, times: int, cleared: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(monkeypatch, code)
    assert remote._run(PLAN, 0, tmp_path).code == code
    assert cleared == ["minimal"] * times


def test_an_interrupted_shard_leaves_no_lab(
    cleared: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(monkeypatch, KeyboardInterrupt("SIGTERM"))
    with pytest.raises(KeyboardInterrupt):
        remote._run(PLAN, 0, tmp_path)
    assert cleared == ["minimal"]


@pytest.mark.parametrize("result", [10, KeyboardInterrupt("SIGTERM")])
def test_a_lab_that_was_up_before_stays_up(
    result: int | BaseException,
    cleared: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "known_labs", lambda: ["minimal"])
    runs(monkeypatch, result)
    if isinstance(result, int):
        remote._run(PLAN, 0, tmp_path)
    else:
        with pytest.raises(KeyboardInterrupt):
            remote._run(PLAN, 0, tmp_path)
    assert cleared == []


def test_two_runs_never_use_a_lab_at_a_time(
    cleared: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "GRACE_SECONDS", 0.0)
    monkeypatch.setattr(remote, "DOWN_SECONDS", 0.01)
    runs(monkeypatch, 0)
    with remote._only_shard_of("minimal"):
        with pytest.raises(LabError, match="another run"):
            remote._run(PLAN, 0, tmp_path)
        remote._run(plan(shard(0, lab="other")), 0, tmp_path / "other")
    assert remote._run(PLAN, 0, tmp_path).code == 0
    assert cleared == []


def test_output_is_read_also_when_nobody_hears_it() -> None:
    """Otherwise pytest would wait, or fail, and leave its lab."""
    (source, sink), (gone, target) = os.pipe(), os.pipe()
    os.close(gone)
    forwarding = threading.Thread(target=remote._forward, args=(source, target), daemon=True)
    forwarding.start()

    def speak() -> None:
        with os.fdopen(sink, "wb") as pipe:
            pipe.write(b"x" * (1 << 20))

    speaking = threading.Thread(target=speak, daemon=True)
    speaking.start()
    for thread in (speaking, forwarding):
        thread.join(60)
        assert not thread.is_alive()
    os.close(source)
    os.close(target)


@pytest.mark.slow(reason="starts the command as a process")
def test_without_a_plan_the_command_of_a_host_is_wrong_input() -> None:
    code = "from edge_lab.cli import main; import sys; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "matrix", "remote-shard", "--index=0"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (4, ""), done.stderr
    assert "not a plan" in done.stderr
