"""What the autonomy suite shares: bystanders, and the cables that part an edge from its cloud."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from edge_lab.fixtures.lab import TimeLimit
from suites.autonomy.bystanders import DOOMED, IMPATIENT, LABEL, bystander
from suites.edges import edges
from suites.pods import running_pods

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


@pytest.fixture(scope="module")
def bystanders(lab: Lab, time_limit: TimeLimit) -> Iterator[None]:
    """The bystanders of each edge node, Ready; removed at the end.

    None is patient: the sampler of the lab's own workload tolerates everything, too.
    """
    kinds = (IMPATIENT, DOOMED)
    manifests = [bystander(kind, node) for node in edges(lab) for kind in kinds]
    with running_pods(lab, manifests, LABEL, time_limit):
        yield
