"""What runs a shard, here and in a pod: pytest once, its code, and when it is run again."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_lab.cli.app import app
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.step import StepEvent, listening
from edge_lab.matrix import here, shard
from edge_lab.matrix.here import run_here
from edge_lab.matrix.load import load_plan
from edge_lab.matrix.plan import Plan
from edge_lab.matrix.record import Record, attempts, records, shard_folder
from edge_lab.matrix.shard import import_cache, index_of_pod, run_shard
from tests.matrix.site import make_image, write_matrix

PROGRAM = """#!/bin/sh
echo "$*" >> asked.log
sed -n "$(wc -l < asked.log)p" codes > code
read code < code
case "$code" in
-*) kill $code $$ ;;
esac
exit "$code"
"""


class Site:
    """A folder with a matrix, whose pytest ends with the codes that it is given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.matrix = write_matrix(folder, "passes", "fails")
        self.taken_down: list[str] = []

    @property
    def plan(self) -> Plan:
        return load_plan(self.matrix)

    def ends(self, *codes: int) -> None:
        (self.folder / "codes").write_text("".join(f"{code}\n" for code in codes))
        (self.folder / "asked.log").unlink(missing_ok=True)

    @property
    def asked(self) -> list[str]:
        log = self.folder / "asked.log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(make_image(tmp_path / "image"))
    monkeypatch.chdir(made.folder)
    program = tmp_path / "python"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setattr(shard, "PYTHON", str(program))
    monkeypatch.setattr(here, "take_down", lambda name, deadline: made.taken_down.append(name))
    return made


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 10, 11])
def test_a_shard_ends_as_pytest_does_and_leaves_a_record(site: Site, code: int) -> None:
    site.ends(code)
    assert run_shard(site.plan, 0, site.results).code == code
    ((attempt, record),) = records(shard_folder(site.results, 0))
    assert (record.code, record.attempt, record.shards) == (code, 1, 2)
    (words,) = site.asked
    for word in (
        "-m pytest suites/test_passes.py --lab-topology=labs/minimal.yaml",
        "--lab-stack=kubernetes+kubelet",
        f"--alluredir={attempt}/allure-results",
    ):
        assert word in words


def test_a_pytest_that_was_killed_says_nothing_about_the_product(site: Site) -> None:
    site.ends(-9)
    assert run_shard(site.plan, 0, site.results).code == 10


def test_a_pytest_that_does_not_end_is_ended_and_is_a_broken_lab(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "sleeps"
    program.write_text(
        "#!/bin/sh\ntrap 'kill $!; echo ended > ended; exit 2' TERM\n"
        "echo > begun\nread x < fifo & wait\n"
    )
    program.chmod(0o755)
    os.mkfifo(site.folder / "fifo")
    monkeypatch.setattr(shard, "PYTHON", str(program))
    begun = site.folder / "begun"

    def limit(seconds: float) -> Deadline:
        """Over as soon as the program has begun."""

        class UntilBegun(Deadline):
            @property
            def remaining(self) -> float:
                Deadline.after(60).wait_for("it has begun", begun.exists, every=0.01)
                return 0.01

        return UntilBegun(0, seconds)

    monkeypatch.setattr(shard, "limit_of", limit)
    assert run_shard(site.plan, 0, site.results).code == 10
    assert (site.folder / "ended").exists()


@pytest.mark.parametrize("code", [0, 1, 4, 11])
def test_what_has_a_result_is_not_run_again(site: Site, code: int) -> None:
    site.ends(code, 0)
    before = run_shard(site.plan, 0, site.results)
    assert run_shard(site.plan, 0, site.results) == before
    assert len(site.asked) == 1


def test_a_shard_whose_lab_broke_is_run_again(site: Site) -> None:
    site.ends(10, 0)
    assert [run_shard(site.plan, 0, site.results).code for _ in range(2)] == [10, 0]
    assert len(attempts(shard_folder(site.results, 0))) == 2


def test_a_topology_that_is_not_the_planned_one_is_refused(site: Site) -> None:
    plan = site.plan
    with (site.folder / "labs" / "minimal.yaml").open("a") as topology:
        topology.write("# changed\n")
    with pytest.raises(InputError):
        run_shard(plan, 0, site.results)
    assert site.asked == []
    assert not site.results.exists()


# -- All shards on this machine ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("codes", "runs", "cleared"),
    [
        ([0, 0], 2, 0),
        ([1, 0], 2, 0),
        ([10, 0, 0], 3, 1),
        ([10, 10, 0], 3, 2),
        ([10, 1, 0], 3, 1),
        ([0, 11], 2, 0),
    ],
)
def test_here_too_a_broken_lab_is_retried_once_and_a_failed_product_never(
    site: Site, codes: list[int], runs: int, cleared: int
) -> None:
    site.ends(*codes)
    told: list[Record | None] = []
    run_here(site.plan, site.results, lambda shard, record: told.append(record))
    assert len(site.asked) == runs
    assert site.taken_down == ["minimal"] * cleared
    assert [each.code for each in told if each is not None] == codes


def test_a_lab_that_was_up_before_is_left_to_its_user(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(here, "known_labs", lambda: ["minimal"])
    site.ends(10, 0, 0)
    run_here(site.plan, site.results, lambda shard, record: None)
    assert site.taken_down == []


# -- The command -------------------------------------------------------------------------------


Invoke = Callable[..., int]


@pytest.fixture
def lab(site: Site, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.delenv("JOB_COMPLETION_INDEX", raising=False)

    def invoke(*words: str) -> int:
        return CliRunner().invoke(app, ["matrix", *words]).exit_code

    return invoke


@pytest.mark.parametrize("code", [0, 1, 5, 10])
def test_the_command_of_a_pod_ends_with_its_shards_code(
    lab: Invoke, site: Site, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    site.ends(code)
    assert lab("shard", "matrix.yaml", "--first", "1", "--results", str(site.results)) == code
    assert "suites/test_fails.py" in site.asked[0]


@pytest.mark.parametrize("index", [None, "x", "7"])
def test_a_pod_without_a_shard_is_wrong_input_and_never_retried(
    lab: Invoke, index: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if index is not None:
        monkeypatch.setenv("JOB_COMPLETION_INDEX", index)
    assert lab("shard", "matrix.yaml", "--results", "results") == 4


def test_an_index_is_that_of_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "12")
    assert index_of_pod() == 12


def test_a_pod_that_is_told_to_end_does_not_fail_its_shard(
    lab: Invoke, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt(signal.Signals(signal.SIGTERM).name)

    monkeypatch.setattr(shard, "run_shard", told)
    assert lab("shard", "matrix.yaml", "--index", "0") == 143


@pytest.mark.parametrize("trouble", [OSError(errno.ENOSPC, "disk full"), LabError("no cache")])
def test_a_host_that_fails_is_a_broken_lab(
    lab: Invoke, trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **more: object) -> None:
        raise trouble

    monkeypatch.setattr(shard, "run_shard", broken)
    assert lab("shard", "matrix.yaml", "--index", "0") == 10


@pytest.mark.parametrize(("codes", "whole"), [([0, 0], 0), ([0, 1], 1), ([10, 10, 1], 11)])
def test_a_run_here_ends_with_the_code_of_the_whole(
    lab: Invoke, site: Site, codes: list[int], whole: int
) -> None:
    site.ends(*codes)
    assert lab("run", "matrix.yaml", "-o", "out") == whole
    assert lab("merge", "out", "-o", "again") == whole


def test_a_run_goes_on_where_it_was_interrupted_and_only_if_told_to(
    lab: Invoke, site: Site
) -> None:
    site.ends(0, 0, 0)
    run_shard(site.plan, 0, site.folder / "out")
    assert lab("run", "matrix.yaml", "-o", "out") == 4
    assert lab("run", "matrix.yaml", "-o", "out", "--resume") == 0
    assert len(site.asked) == 2


def test_a_matrix_without_a_cluster_cannot_run_on_one(lab: Invoke, site: Site) -> None:
    text = site.matrix.read_text()
    site.matrix.write_text(text[: text.index("cluster:")])
    assert lab("run", "matrix.yaml", "--on", "cluster", "-o", "out") == 4
    assert site.asked == []


def test_a_matrix_without_hosts_cannot_run_on_some(
    lab: Invoke, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab("run", "matrix.yaml", "--on", "hosts", "-o", "out") == 4
    assert site.asked == []


def test_a_cache_that_cannot_be_read_leaves_the_cache_empty_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "half.tar").write_text("half")
    told: list[StepEvent] = []
    with listening(told.append):
        import_cache(tmp_path / "none.tar")
        import_cache(tmp_path / "half.tar")
    assert len({event.title for event in told if event.title.startswith("warning")}) == 2


@pytest.mark.slow(reason="starts the command as a process")
def test_sigterm_ends_pytest_in_order_and_the_command_with_143(site: Site, tmp_path: Path) -> None:
    (site.folder / "suites" / "test_passes.py").write_text(
        "import pathlib, time\n"
        "def test_it(lab):\n"
        "    pathlib.Path('begun').touch()\n"
        "    time.sleep(600)\n"
    )
    code = "from edge_lab.cli import main; import sys; sys.exit(main())"
    words = ["matrix", "shard", "matrix.yaml", "--index", "0", "--results", "results"]
    process = subprocess.Popen([sys.executable, "-c", code, *words])
    begun = site.folder / "begun"
    Deadline.after(300).wait_for("the test has begun", begun.exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(300) == 143
    (attempt,) = attempts(shard_folder(site.folder / "results", 0))
    assert not (attempt / "shard.json").exists()
    assert (attempt / "summary.md").exists()
