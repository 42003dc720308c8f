from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.cluster.kubectl import Kubectl
from edge_lab.core.deadline import Deadline
from tests.cluster.api_server import ApiServer, running


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    with running(tmp_path) as server:
        yield server


@pytest.fixture
def kubectl(api: ApiServer, tmp_path: Path) -> Kubectl:
    """No test here may start a process: there is no such program."""
    return Kubectl(tmp_path / "none", api.kubeconfig())


@pytest.fixture
def soon() -> Deadline:
    return Deadline.after(60)
