"""ImagePrePullJob: images are on the nodes before pods need them, also while a node is silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.nodejobs.names import NODE_JOBS
from edge_lab.core.errors import MissingCapability
from edge_lab.faults.engine import FaultEngine
from edge_lab.fixtures.lab import TimeLimit
from suites.cache.objects import image_named
from suites.conftest import Judged
from suites.edges import edges
from suites.known import KUBEEDGE_TRACKER
from suites.nodejobs.evidence import Interrupted
from suites.nodejobs.judging import judge_prepull
from suites.nodejobs.scenarios import JobSide

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Node jobs"),
    allure.feature("Image pre-pull"),
    pytest.mark.needs(NODE_JOBS),
    pytest.mark.needs("cache"),
]

LEAST_NODES = 2


@pytest.fixture(scope="module")
def nodes(lab: Lab) -> tuple[str, ...]:
    """Edge nodes; skips if there are not two."""
    found = edges(lab)
    if len(found) < LEAST_NODES:
        raise MissingCapability("a node that holds up another one takes two edge nodes")
    return found


@pytest.fixture(scope="module")
def side(lab: Lab, fault_engine: FaultEngine, time_limit: TimeLimit) -> JobSide:
    return JobSide(lab, fault_engine, time_limit)


@pytest.fixture(scope="module")
def interrupted(side: JobSide, nodes: tuple[str, ...]) -> Interrupted:
    return side.interrupted("prepull-interrupted", nodes, [image_named("cached")])


@pytest.mark.core
@pytest.mark.scenario("image pre-pull")
@allure.title("A job pulls its images on one node after the other")
def test_images_are_pulled_on_each_node(
    side: JobSide, nodes: tuple[str, ...], judged: Judged
) -> None:
    job = side.prepull("prepull", nodes, map(image_named, ("shared", "healed")))
    judged(judge_prepull(job, node) for node in nodes)


@pytest.mark.known_failure(
    runtime="kubeedge",
    tracker=f"{KUBEEDGE_TRACKER}/7049",
    seen="v1.23.1: cloudcore sends the next task only when a node has answered, so that one silent "
    "node holds up all that come after it, until their tasks are Unknown, too",
    look_again="2027-05-30",
)
@pytest.mark.scenario("image pre-pull, a silent node")
@allure.issue(f"{KUBEEDGE_TRACKER}/7049", "kubeedge #7049")
@allure.title("A node that does not answer does not hold up the others")
def test_a_silent_node_holds_up_no_other(
    interrupted: Interrupted, nodes: tuple[str, ...], judged: Judged
) -> None:
    judged(judge_prepull(interrupted.during, node) for node in nodes[1:])


@pytest.mark.scenario("image pre-pull, the same job after the heal")
@allure.title("A job of the same name runs after the heal")
def test_the_same_job_runs_after_the_heal(
    interrupted: Interrupted, nodes: tuple[str, ...], judged: Judged
) -> None:
    judged(judge_prepull(interrupted.again, node) for node in nodes)
