"""Short runs of Go's own fuzzing of what reads foreign bytes. `make fuzz` runs them for longer.

A number of inputs instead of a time: when a time ends, `go test` before Go 1.27 may report "context
deadline exceeded" for a target in which nothing was found (golang/go#75804)."""

from __future__ import annotations

import re

import pytest

from edge_lab.data import IMAGES
from tests.golang import build, go

pytestmark = pytest.mark.slow(reason="compiles Go with instrumentation, and fuzzes for seconds")

INPUTS = 10_000
"""At most ten seconds for the slowest target, two for the others."""
FUZZ = IMAGES / "go" / "workload" / "internal"
TARGETS = sorted(
    (file.parent.name, name)
    for file in FUZZ.glob("*/*_test.go")
    for name in re.findall(r"^func (Fuzz\w+)\(", file.read_text(encoding="utf-8"), re.MULTILINE)
)


def test_the_targets_are_found() -> None:
    assert set(TARGETS) >= {("collector", "FuzzPost"), ("device", "FuzzModbusAnswer")}


@pytest.mark.parametrize(("package", "target"), TARGETS)
def test_nothing_is_found(
    package: str, target: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    build("workload", tmp_path_factory.mktemp("go") / "edge")  # or a skip
    done = go(
        "workload",
        *("test", f"./internal/{package}", "-run=^$", f"-fuzz=^{target}$"),
        *(f"-fuzztime={INPUTS}x", "-parallel=2"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
