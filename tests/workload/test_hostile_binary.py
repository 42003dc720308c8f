"""The program of hostile pods, built here. Nothing hostile is run: it only says what it sees."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from edge_lab.oracles.sandbox import SandboxClass, judge_sandbox, parse_facts, parse_node_view
from edge_lab.oracles.sandbox.outside import look_command
from edge_lab.oracles.sandbox.proofs import INSIDE, Outcome
from tests.golang import assert_sound, build

pytestmark = pytest.mark.slow(reason="compiles Go")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program for this machine."""
    return build("hostile", tmp_path_factory.mktemp("go") / "edge-hostile")


@pytest.mark.parametrize("command", ["vet", "test", "gofmt"])
def test_the_go_module_passes_its_own_checks(program: Path, command: str) -> None:
    assert_sound("hostile", command)


def test_this_host_is_no_sandbox_by_its_own_facts(program: Path) -> None:
    done = subprocess.run(
        [str(program), "facts", "--tag", "here"], capture_output=True, text=True, check=True
    )
    facts = parse_facts(done.stdout)
    assert facts is not None
    verdict = judge_sandbox("host", "none", "here", facts, None)
    assert verdict.of_class is SandboxClass.NOT_SANDBOXED
    # What a node always shows: enough of it, whatever this host hides of the rest.
    failed = verdict.of_outcome(Outcome.FAILS)
    assert failed >= {"kernel name", "/proc/version", "/proc/sentry-meminfo", "load average"}
    assert verdict.of_outcome(Outcome.HOLDS) <= set(INSIDE) - failed


def test_it_tries_nothing_here(program: Path) -> None:
    # A name that there is not: nothing would be tried without the refusal either.
    done = subprocess.run([str(program), "attempts", "no-such-attempt"], capture_output=True)
    assert done.returncode == 3


def test_a_node_is_looked_at_by_its_own_python() -> None:
    done = subprocess.run(
        ["bash", "-c", look_command("no-such-uid", "no-such-tag", "/no-such-runsc")],
        capture_output=True,
        text=True,
        check=True,
    )
    view = parse_node_view(done.stdout)
    assert view.release == os.uname().release
    assert view.boot_id
    assert (view.processes, view.programs) == ((), ())
