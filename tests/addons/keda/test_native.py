"""KEDA's operator for real, on this machine, with the suite's own scenarios and judges: a control
plane, a hollow node, Debian's nats-server and the lab's functions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from edge_lab.addons import load_topology
from edge_lab.addons.functions.endpoints import MONITOR, functions_endpoints
from edge_lab.addons.functions.names import NAMESPACE
from edge_lab.addons.functions.ways import KEDA, PROCESS
from edge_lab.addons.keda.endpoints import keda_endpoints
from edge_lab.addons.keda.identities import CLIENT
from edge_lab.addons.keda.names import OPERATOR
from edge_lab.addons.keda.rights import FUNCTION_RULES
from edge_lab.cluster.rbac import role_manifest
from edge_lab.core.deadline import Deadline
from edge_lab.data import LABS
from edge_lab.oracles.identity import judge_identity
from edge_lab.pki import CLUSTER, CertificateSpec
from edge_lab.probes.dial import SocketDial
from edge_lab.probes.endpoint import Reach
from edge_lab.probes.mint import Mint
from edge_lab.probes.run import Target
from edge_lab.topology import Timing, Topology
from suites.functions import kedascenarios
from suites.functions.judging import (
    judge_asleep,
    judge_events,
    judge_unreached,
    judge_waking,
)
from suites.functions.scenarios import Scene, broker_killed, offline, online, storm
from tests.addons.functions.plant import running_plant
from tests.addons.functions.site import NODE, nats_server
from tests.addons.functions.test_native import program
from tests.addons.gitops.hollow import hollow_nodes
from tests.addons.keda.site import KedaSite, keda_programs, running_keda_site
from tests.controlplane import control_plane, require

__all__ = ["program"]

pytestmark = pytest.mark.native(reason="a control plane, KEDA's operator and nats-server")

TIMING = Timing(node_lease=8, node_monitor_period=1, node_monitor_grace=8, unreachable_toleration=5)
EACH = 2
STORM = 100
PROBE_SECONDS = 10.0
UNWOKEN_SECONDS = 12.0
COOLDOWN_SECONDS = 6
LONG_SECONDS = 60.0
CYCLE = 40
"""Steps of 0.1 s from one crossing to the next: each way has one every 16 s."""


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology(LABS / "edge-keda.yaml")


@pytest.fixture(scope="module")
def site(topology: Topology, program: Path) -> Iterator[KedaSite]:
    require()
    keda_programs()
    nats_server("trixie")
    with tempfile.TemporaryDirectory(prefix="el") as made, pytest.MonkeyPatch.context() as patch:
        folder = Path(made)
        patch.setattr(kedascenarios, "UNWOKEN_SECONDS", UNWOKEN_SECONDS)
        (folder / "site").mkdir()
        with (
            control_plane(folder / "plane", topology, TIMING) as plane,
            hollow_nodes(plane, folder / "nodes", (NODE,)) as hollow,
            running_plant(cycle=CYCLE) as (plant, device),
            running_keda_site(folder / "site", plane, hollow[NODE], program, plant, device) as site,
        ):
            yield site


def test_each_event_wakes_its_function_once_and_it_sleeps_afterwards(site: KedaSite) -> None:
    evidence = online(site, EACH).evidence[NODE]
    for verdict in (
        judge_events(evidence, KEDA.name, least=EACH),
        judge_waking(evidence, KEDA.name, least=1),
        judge_asleep(evidence, KEDA.name, limit_s=60),
        judge_events(evidence, PROCESS.name, least=EACH),
    ):
        print(verdict)
        assert verdict.passed, str(verdict)


@pytest.mark.parametrize(
    ("scenario", "least"),
    [(broker_killed, 3), (partial(storm, each=STORM), STORM), (partial(offline, each=1), 1)],
    ids=["broker killed", "storm", "uplink cut"],
)
def test_each_event_is_handled_once_in_the_scenarios_of_all_ways(
    site: KedaSite, scenario: Callable[[KedaSite], Scene], least: int
) -> None:
    verdict = judge_events(scenario(site).evidence[NODE], KEDA.name, least=least)
    print(verdict)
    assert verdict.passed, str(verdict)


def test_a_node_that_is_cut_off_is_not_woken_until_the_heal(site: KedaSite) -> None:
    evidence = kedascenarios.cut_off(site).evidence[NODE]
    for verdict in (
        judge_unreached(evidence, KEDA.name, PROCESS.name),
        judge_events(evidence, KEDA.name),
        judge_asleep(evidence, KEDA.name, limit_s=60),
    ):
        print(verdict)
        assert verdict.passed, str(verdict)


def test_a_node_that_rebooted_offline_is_not_woken_until_the_heal(site: KedaSite) -> None:
    evidence = kedascenarios.reset_while_cut_off(site).evidence[NODE]
    for verdict in (
        judge_unreached(evidence, KEDA.name, PROCESS.name),
        judge_events(evidence, KEDA.name),
    ):
        print(verdict)
        assert verdict.passed, str(verdict)


def test_without_the_operator_events_are_lost_but_for_those_of_the_node_itself(
    site: KedaSite,
) -> None:
    scene = kedascenarios.operator_stopped(site)
    lost = judge_events(scene.offline[NODE], KEDA.name)
    assert any("were not handled" in problem for problem in lost.problems), str(lost)
    assert judge_events(scene.offline[NODE], PROCESS.name).passed
    later = judge_events(scene.evidence[NODE], KEDA.name)
    assert later.passed, str(later)


def test_a_scaler_that_reaches_the_node_is_red(
    site: KedaSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted defect of the cut: only the copies of events are cut off."""
    monkeypatch.setattr(site, "half_offline", True)
    scene = kedascenarios.cut_off(site)
    verdict = judge_unreached(scene.evidence[NODE], KEDA.name, PROCESS.name)
    (problem,) = verdict.problems
    assert problem.endswith("events were handled without the scaler"), str(verdict)


def test_a_function_that_runs_when_the_node_is_cut_off_keeps_running(site: KedaSite) -> None:
    """A query without an answer scales nothing."""

    def runs() -> bool:
        return KEDA.name in site.running(NODE)

    site.until("no function of KEDA runs", lambda: not runs(), LONG_SECONDS)
    with site.cooldown(COOLDOWN_SECONDS):
        site.until("a function of KEDA runs", runs, LONG_SECONDS)
        with site.offline():
            assert not site.seen(lambda: not site.replicas(NODE), 2.5 * COOLDOWN_SECONDS)
            assert runs()
    site.until("no function of KEDA runs", lambda: not runs(), LONG_SECONDS)


def test_the_operator_has_the_rights_that_it_uses(site: KedaSite) -> None:
    def log() -> str:
        return site.operator.log.read_text()

    def has_scaled() -> bool:
        """From zero, and back."""
        return all(f"Successfully {done} ScaleTarget" in log() for done in ("updated", "set"))

    site.until("KEDA has scaled", has_scaled, LONG_SECONDS)
    assert "forbidden" not in log()


def test_its_metrics_service_and_the_brokers_monitor_admit_as_declared(
    site: KedaSite, topology: Topology
) -> None:
    """Except from the wire, which a host's loopback does not have."""
    authority = site.plane.pki.authority(CLUSTER)
    mint = Mint(authority, CLIENT.spec, CertificateSpec("system:node:edge-riscv"))
    by_id = {
        found.id: found for found in (*keda_endpoints(topology), *functions_endpoints(topology))
    }
    for declared, address in (
        (by_id[f"server/{OPERATOR}-metrics-service"], site.operator.place.metrics_service),
        (by_id[f"{NODE}/{MONITOR}"], site.edge.monitor),
    ):
        policy = declared.policy.but(from_wire=None)
        port = int(address.rpartition(":")[2])
        endpoint = replace(declared, node="host", port=port, policy=policy, reach=Reach.WIRE)
        target = Target(
            endpoint, "127.0.0.1", SocketDial(), mint, limit=lambda: Deadline.scaled(PROBE_SECONDS)
        )
        records = list(target.try_all())
        verdict = judge_identity("host", "none", records, {endpoint.id: endpoint})
        assert verdict.passed, str(verdict)
        assert len(records) >= len(policy.expects)


def test_a_right_that_the_operator_lacks_is_found(site: KedaSite) -> None:
    """The planted defect of its rights, and an event that is not handled for lack of one."""
    lacking = [rule for rule in FUNCTION_RULES if "deployments/scale" not in rule["resources"]]
    kubectl, limit = site.plane.kubectl, Deadline.scaled(LONG_SECONDS)
    site.until("no function of KEDA runs", lambda: not site.replicas(NODE), LONG_SECONDS)
    kubectl.apply(role_manifest(OPERATOR, lacking, namespace=NAMESPACE), limit)
    try:
        site.until(
            "the API server refuses it",
            lambda: "forbidden" in site.operator.log.read_text(),
            LONG_SECONDS,
        )
        assert not site.replicas(NODE)
    finally:
        kubectl.apply(role_manifest(OPERATOR, FUNCTION_RULES, namespace=NAMESPACE), limit)
    site.until("a function of KEDA runs", lambda: site.replicas(NODE), LONG_SECONDS)
