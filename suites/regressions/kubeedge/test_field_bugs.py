"""Field bugs of KubeEdge, one test each: reproduced on all edge nodes at once.

A passed test means that the bug did not occur in the version under test. KubeEdge's own end-to-end
tests do not cut networks or reboot nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.twins.names import MAPPER_UNIT
from edge_lab.addons.workload import NAMESPACE
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut, Directions, Freeze, HalfOpen, Kill
from edge_lab.fixtures.autonomy import Autonomy
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.observe.recorder import Recorder
from edge_lab.oracles.autonomy import AutonomyVerdict, Expectation
from edge_lab.stacks.kubeedge import CLOUDCORE_UNIT, EDGECORE_UNIT
from edge_lab.stacks.kubernetes_keys import API_SERVER_UNIT
from suites.autonomy.bystanders import DELETED, LABEL, TOLERANT, bystander, pod_name
from suites.edges import edges, until_evicted, until_lost, uplink
from suites.known import KUBEEDGE_TRACKER, edgecore_ends_containers
from suites.nodestate import missing_after_reboot, running_on, seen_in_time, unhealthy_nodes
from suites.passing import all_passed
from suites.pods import running_pods

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Regressions"),
    allure.feature("KubeEdge"),
    pytest.mark.runtime("kubeedge"),
    pytest.mark.fresh_lab,
]

BACK_SECONDS = 90.0
"""Seconds from the heal of a link until a node is healthy; users reported 15 to 20 minutes."""

RESTARTS = 3
"""Number of kills of edgecore; duplicates were reported after a single restart."""

STARTED_SECONDS = 45.0
"""Seconds for edgecore to handle its pods after a start: until then, cluster and container runtime
show the previous state."""

OUTAGES = 5
"""Maximum kills of the API server until one affects a lease renewal. One is enough on an emulated
server, which takes half a minute to start it."""

API_SECONDS = 240.0

GONE_SECONDS = 90.0
"""Seconds for a returned node to end a pod that was deleted by force."""


def issues(*numbers: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Links to the tracker, in the report."""

    def marked(test: Callable[..., None]) -> Callable[..., None]:
        for number in numbers:
            test = allure.issue(f"{KUBEEDGE_TRACKER}/{number}", f"kubeedge #{number}")(test)
        return test

    return marked


@pytest.fixture
def tolerant(lab: Lab, time_limit: TimeLimit) -> Iterator[None]:
    """A pod on each edge node that tolerates everything."""
    pods = [bystander(TOLERANT, node) for node in edges(lab)]
    with running_pods(lab, pods, LABEL, time_limit):
        yield


@pytest.fixture
def deleted(lab: Lab, time_limit: TimeLimit) -> Iterator[None]:
    """A pod on each edge node, which a test deletes."""
    pods = [bystander(DELETED, node) for node in edges(lab)]
    with running_pods(lab, pods, LABEL, time_limit):
        yield


def deleted_ended(recorder: Recorder, node: str) -> bool:
    return pod_name(DELETED, node) not in running_on(recorder, node)


@pytest.mark.parametrize(
    "direction",
    [
        pytest.param("tx", marks=pytest.mark.scenario("#6181 one-way cut, edge to cloud")),
        pytest.param("rx", marks=pytest.mark.scenario("#6181 one-way cut, cloud to edge")),
    ],
)
@issues(6181)
@allure.title("#6181: a node is Ready again after a one-way cut ({direction})")
def test_6181_a_node_returns_after_a_one_way_cut(
    lab: Lab, faults: FaultEngine, autonomy: Autonomy, time_limit: TimeLimit, direction: Directions
) -> None:
    cuts = [Cut(link=uplink(lab, node), direction=direction) for node in edges(lab)]
    with autonomy.watching() as watch:
        with faults.inflict_all(cuts):
            autonomy.hold(until_lost(lab))
        away = unhealthy_nodes(lab, watch, time_limit(BACK_SECONDS))
    expect = Expectation(must_detect=True)
    verdicts = [autonomy.judge(watch, node, expect) for node in edges(lab)]
    assert not away, f"not recovered after the cut: {', '.join(away)}"
    all_passed(verdicts)


@pytest.mark.scenario("#6965 half-open connections")
@pytest.mark.known_failure(
    tracker=f"{KUBEEDGE_TRACKER}/6965",
    seen="v1.23.1: edgecore waits for no answer to its keepalives; it gives up when no more fits "
    "into the dead connection, and a node whose twins are silent has little to say",
    look_again="2027-05-27",
)
@issues(6965, 6412, 6434)
@allure.title("#6965: an idle node replaces a half-open connection")
def test_6965_a_node_gives_up_a_half_open_connection(
    lab: Lab, faults: FaultEngine, autonomy: Autonomy
) -> None:
    with (
        autonomy.watching() as watch,
        # Reports of the twins would fill the connection within minutes.
        faults.inflict_all([Freeze(node=node, service=MAPPER_UNIT) for node in edges(lab)]),
        faults.inflict_all([HalfOpen(link=uplink(lab, node)) for node in edges(lab)]),
    ):
        autonomy.hold(until_lost(lab))
        # New connections work: a node that closes its old one needs no heal. When it does depends
        # on its timers and on what it writes, not on the speed of this host.
        away = unhealthy_nodes(lab, watch, Deadline.after(BACK_SECONDS))
    verdicts = [autonomy.judge(watch, node) for node in edges(lab)]
    assert not away, f"not recovered over new connections: {', '.join(away)}"
    all_passed(verdicts)


@pytest.mark.scenario("#6414 reboot while offline")
@issues(6414, 4441, 4210, 4738)
@allure.title("#6414: pods of a node that reboots while offline run again")
def test_6414_pods_return_on_a_node_that_reboots_offline(
    lab: Lab, faults: FaultEngine, autonomy: Autonomy, tolerant: None, time_limit: TimeLimit
) -> None:
    with autonomy.watching() as watch:
        for node in edges(lab):
            assert pod_name(TOLERANT, node) in running_on(watch.recorder, node)
        away = missing_after_reboot(lab, faults, watch.recorder, time_limit)
    expect = Expectation(downtime_s=None, may_restart=None, must_detect=True)
    verdicts = [autonomy.judge(watch, node, expect) for node in edges(lab)]
    assert not away, f"the pods were not running again before the heal on {', '.join(away)}"
    all_passed(verdicts)


@pytest.mark.scenario("#3941 reconnect after the eviction time")
@issues(3941, 4048)
@allure.title("#3941: a pod that tolerates all taints is not replaced after a long partition")
def test_3941_pods_are_not_made_anew_at_the_reconnect(
    lab: Lab, faults: FaultEngine, autonomy: Autonomy, tolerant: None
) -> None:
    cuts = [Cut(link=uplink(lab, node)) for node in edges(lab)]
    with autonomy.watching() as watch, faults.inflict_all(cuts):
        autonomy.hold(until_evicted(lab))
    verdicts = [autonomy.judge(watch, node, Expectation(must_detect=True)) for node in edges(lab)]
    all_passed(verdicts)
    for node in edges(lab):
        uids = {pod.uid for pod in watch.recording.pod_seen if pod.name == pod_name(TOLERANT, node)}
        assert len(uids) == 1, f"{pod_name(TOLERANT, node)} was {len(uids)} pods: {uids}"


@pytest.mark.scenario("#4368 force delete while offline")
@issues(4368)
@allure.title(
    "#4368: a pod that is force-deleted while its node is offline is terminated after the heal"
)
def test_4368_a_pod_deleted_by_force_ends_when_its_node_is_back(
    lab: Lab, faults: FaultEngine, autonomy: Autonomy, deleted: None, time_limit: TimeLimit
) -> None:
    with autonomy.watching() as watch:
        with faults.inflict_all([Cut(link=uplink(lab, node)) for node in edges(lab)]):
            autonomy.hold(until_lost(lab))
            for node in edges(lab):
                pod = pod_name(DELETED, node)
                lab.kubectl.delete("pod", pod, "-n", NAMESPACE, deadline=time_limit(60), force=True)
            still = [node for node in edges(lab) if not deleted_ended(watch.recorder, node)]
        limit = time_limit(GONE_SECONDS)
        left = [
            node
            for node in edges(lab)
            if not seen_in_time(limit, partial(deleted_ended, watch.recorder, node))
        ]
    # The node could not learn of it: if it had ended earlier, the cut would have had no effect.
    assert still == list(edges(lab)), f"the pod kept running while offline only on {still}"
    assert not left, f"the pod that was deleted in the cloud still runs on {', '.join(left)}"


@dataclass(frozen=True)
class Restarts:
    """The observations while edgecore was killed repeatedly on all edge nodes."""

    verdicts: tuple[AutonomyVerdict, ...]
    """One for each edge node."""
    away: tuple[str, ...]
    """Nodes that were not healthy in time after a kill, which was then the last one."""


@pytest.fixture(scope="module")
def restarts(
    lab: Lab,
    fault_engine: FaultEngine,
    autonomy_of: Callable[[str], Autonomy],
    time_limit: TimeLimit,
) -> Restarts:
    """Kills edgecore RESTARTS times, each time when its node is healthy again."""
    autonomy = autonomy_of("#6559 edgecore restarted")
    kills = [Kill(node=node, service=EDGECORE_UNIT) for node in edges(lab)]
    away: list[str] = []
    pods = [bystander(TOLERANT, node) for node in edges(lab)]
    with running_pods(lab, pods, LABEL, time_limit), autonomy.watching() as watch:
        for _ in range(RESTARTS):
            with fault_engine.inflict_all(kills):
                pass  # healed when systemd has started it again
            autonomy.hold(STARTED_SECONDS)
            away = unhealthy_nodes(lab, watch, time_limit(BACK_SECONDS))
            if away:
                break
    return Restarts(tuple(autonomy.judge(watch, node) for node in edges(lab)), tuple(away))


@issues(6559, 4578)
@allure.title(
    "#6559: each pod runs exactly once after edgecore was killed and restarted repeatedly"
)
def test_6559_no_pod_is_doubled_while_edgecore_restarts(restarts: Restarts) -> None:
    assert restarts.verdicts, "no node was judged"
    for verdict in restarts.verdicts:
        assert verdict.figures.duplicates == 0, str(verdict)


@edgecore_ends_containers
@issues(6559, 4578)
@allure.title("#6559: pods keep running while edgecore is killed and restarted repeatedly")
def test_6559_pods_go_on_while_edgecore_restarts(restarts: Restarts) -> None:
    assert not restarts.away, f"not recovered after a restart: {', '.join(restarts.away)}"
    all_passed(list(restarts.verdicts))


@pytest.mark.scenario("short outage of the API server")
@pytest.mark.known_failure(
    tracker=KUBEEDGE_TRACKER,
    seen="v1.23.1: cloudcore answers a renewal that found no API server by an error that edgecore "
    "reads as an empty lease; it renews that one, without a name, for ten minutes",
    look_again="2027-05-27",
)
@allure.title("Nodes renew their leases soon after a short outage of the API server")
def test_leases_are_renewed_after_the_api_server_was_away(
    lab: Lab, faults: FaultEngine, time_limit: TimeLimit
) -> None:
    renewal_failed(lab, faults, time_limit)
    before = renewals(lab, time_limit)

    def renewed(node: str) -> bool:
        return renewals(lab, time_limit)[node] != before[node]

    limit = time_limit(BACK_SECONDS)
    late = [node for node in edges(lab) if not seen_in_time(limit, partial(renewed, node))]
    assert not late, f"no lease is renewed of {', '.join(late)}"


def renewal_failed(lab: Lab, faults: FaultEngine, time_limit: TimeLimit) -> None:
    """Kills the API server until a lease renewal of each edge node through cloudcore has failed.

    Raises:
        LabError: none has failed, so that there is no evidence.
    """
    machine = lab.machines[lab.topology.server.name]
    since = machine.run("date +%s", time_limit(60)).stdout.strip()
    log = f"journalctl -u {CLOUDCORE_UNIT} -o cat --no-pager --since=@{since}"
    for _ in range(OUTAGES):
        with faults.inflict(Kill(node=machine.name, service=API_SERVER_UNIT)):
            pass  # healed when systemd has started it again
        time_limit(API_SECONDS).wait_for(
            "the API server answers", lambda: bool(renewals(lab, time_limit)), transient=NOT_YET
        )
        said = machine.run(log, time_limit(60)).stdout
        if all(f"Update lease {node} failed" in said for node in edges(lab)):
            return
    raise LabError(f"no renewal met one of {OUTAGES} outages of the API server")


def renewals(lab: Lab, time_limit: TimeLimit) -> dict[str, str]:
    """By node, when its lease was last renewed."""
    leases = lab.kubectl.items("leases", "-n", "kube-node-lease", deadline=time_limit(60))
    return {lease["metadata"]["name"]: lease["spec"]["renewTime"] for lease in leases}
