"""The program edge-kvm, built here: its own tests, and what it says of a device that is none."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edge_lab.addons.microvm.kvm import parse_kvm_report
from tests.golang import assert_sound, build

pytestmark = pytest.mark.slow(reason="compiles Go")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program for this machine."""
    return build("kvm", tmp_path_factory.mktemp("go") / "edge-kvm")


@pytest.mark.parametrize("command", ["vet", "test", "gofmt"])
def test_the_go_module_passes_its_own_checks(program: Path, command: str) -> None:
    assert_sound("kvm", command)


@pytest.mark.parametrize(("device", "errno"), [("/dev/null", "ENOTTY"), ("/nowhere", "ENOENT")])
def test_what_is_no_kvm_does_not_work(program: Path, device: str, errno: str) -> None:
    done = subprocess.run(
        [str(program), "probe", "--device", device], capture_output=True, text=True, check=False
    )
    report = parse_kvm_report(done.stdout)
    assert done.returncode == 1
    assert not report.works
    assert report.open == errno


@pytest.mark.parametrize("words", [(), ("plugin",), ("no-such-command",)])
def test_a_call_that_makes_no_sense_is_refused(program: Path, words: tuple[str, ...]) -> None:
    done = subprocess.run([str(program), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr
