"""What a recorder is given to watch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.observe import recorder as recorder_module
from edge_lab.observe.recorder import Recorder
from edge_lab.topology import Topology
from tests.observe.fakes import (
    NODE,
    FakeKubectl,
    FakeMachine,
    FakeWorkload,
    node_object,
    pod_object,
)


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fakes may be asked a hundred times as often as a guest."""
    monkeypatch.setattr(recorder_module, "LOOK_EVERY", 0.02)


@pytest.fixture
def at_once() -> bool:
    """Whether the API server answers at once, and not only when a test lets it."""
    return True


@pytest.fixture
def kubectl(at_once: bool) -> FakeKubectl:
    listed = {"nodes": [node_object("True")], "pods": [pod_object()]}
    fake = FakeKubectl(listed)
    if at_once:
        fake.answers.set()
    return fake


@pytest.fixture
def silent() -> int:
    return 0


@pytest.fixture
def machine(silent: int) -> FakeMachine:
    return FakeMachine(silent)


@pytest.fixture
def fake_lab(
    kubectl: FakeKubectl, machine: FakeMachine, default_topology: Topology, tmp_path: Path
) -> Any:
    return SimpleNamespace(
        topology=default_topology,
        kubectl=kubectl,
        workload=FakeWorkload(),
        machine=lambda name: machine,
        run=SimpleNamespace(logs=tmp_path),
        stack_name="kubernetes+openyurt",
    )


@pytest.fixture
def recorder(fake_lab: Any) -> Iterator[Recorder]:
    with Recorder(fake_lab, (NODE,)) as running:
        yield running
