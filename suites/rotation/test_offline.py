"""Certificates that expire, or are replaced, while a node is unreachable."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import allure
import pytest
from cryptography import x509

from edge_lab.core.errors import LabError, MissingCapability
from edge_lab.core.step import step
from edge_lab.evidence.recording import NodeSeen
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.families.certificate.kinds import Issuer
from edge_lab.faults.families.certificate.sight import Met, Sight
from edge_lab.faults.kinds import Cut, Kill, ReplaceCertificate
from edge_lab.fixtures.autonomy import Autonomy
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.oracles.autonomy import Expectation
from edge_lab.pki import InstalledCertificate
from edge_lab.stacks.base import API_PORT
from suites.edges import edges, until_lost, uplink
from suites.nodestate import hold_until_lost, seen_in_time, unhealthy_nodes
from suites.passing import all_passed
from suites.rotation.test_replaced import must_hold
from suites.rotation.views import READY, ready_after, ready_at, record_of

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab
    from edge_lab.observe.watch import Watch
    from edge_lab.probes.cloudclient import CloudClient

pytestmark = [allure.parent_suite("Rotation"), allure.feature("Offline")]

VALID_SECONDS = 240.0
"""Enough seconds for a node to load the certificate, and to go offline with it."""
BEYOND_SECONDS = 5.0
BACK_SECONDS = 180.0
LOG_SECONDS = 30.0


@pytest.mark.scenario("node certificate expired while offline")
@allure.title(
    "The certificate of {edge_node} expires while it is offline; with a new one it recovers"
)
def test_a_node_whose_certificate_expired_offline_comes_back_by_another(
    lab: Lab,
    server: LabNode,
    edge_node: LabNode,
    faults: FaultEngine,
    autonomy: Autonomy,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    node = edge_node.name
    held = must_hold(lab, node, "node")
    short = ReplaceCertificate(node=node, certificate="node", valid_s=VALID_SECONDS)
    sight = Sight(lab.machines, server.name, time_limit)
    with autonomy.watching(node) as watch, faults.inflict(short):
        certificate = shown_by(edge_node, held)
        over = certificate.not_valid_after_utc.timestamp() + BEYOND_SECONDS
        with faults.inflict(Cut(link=uplink(lab, node))):
            if shown_by(edge_node, held) != certificate:
                raise LabError(f"{node} has renewed its certificate before it was offline")
            autonomy.hold(max(0.0, over - time.time()))
        since, healed = sight.now(), time.monotonic()
        with step("hold until the node is refused"):
            met = seen_in_time(
                time_limit(BACK_SECONDS),
                lambda: sight.met(held, certificate, since) is Met.REFUSED,
            )
        refused_s = time.monotonic() - healed
        autonomy.hold(until_lost(lab))
    assert met, "no peer refused the expired certificate"
    record = record_of(watch.recording, short)
    assert record.heal_began is not None
    assert not ready_at(watch.recording, node, record.heal_began), (
        "an expired certificate was admitted"
    )
    measure("expired certificate refused after", refused_s, unit="s", node=node)
    back = ready_after(watch.recording, node, record.heal_began)
    measure(
        "Ready after the certificate was replaced",
        back,
        unit="s",
        better="lower",
        node=node,
        reason="" if back is not None else "never",
    )
    verdict = autonomy.judge(watch, node, Expectation(must_detect=True))
    assert verdict.passed, str(verdict)


def shown_by(node: LabNode, held: InstalledCertificate) -> x509.Certificate:
    """The current certificate on the node."""
    return x509.load_pem_x509_certificate(node.machine.read(held.certificate))


def must_dial_api_server(lab: Lab) -> None:
    """Skips if edge nodes connect to something else (KubeEdge: cloudcore), or do not declare it."""
    must_hold(lab, lab.topology.server.name, "api-server")
    if not api_clients(lab):
        raise MissingCapability(f"edge nodes of {lab.stack_name} do not dial the API server")


def api_clients(lab: Lab) -> list[CloudClient]:
    """The clients of the API server on edge nodes."""
    clients = lab.platform.cloud_clients(lab.topology)
    return [client for client in clients if client.port == API_PORT]


def refusals(lab: Lab, client: CloudClient, since: int, time_limit: TimeLimit) -> int:
    """How often a client refused a server certificate, by its own log since then (s); by the
    message of Go's TLS."""
    command = (
        f"journalctl -q -o cat -u {client.unit} --since=@{since} | "
        "grep -c 'failed to verify certificate: x509' || true"
    )
    return int(lab.machine(client.node).run(command, time_limit(LOG_SECONDS)).stdout)


@contextlib.contextmanager
def changed_while_offline(
    lab: Lab, faults: FaultEngine, watch: Watch, issuer: Issuer
) -> Iterator[None]:
    """The API server has another certificate while the block runs; it is replaced while all edge
    nodes are cut off, and they are reconnected before the block.

    The declared clients of the API server are restarted while offline: a connection that survives
    the cut is not verified again.
    """
    server = lab.topology.server.name
    change = ReplaceCertificate(node=server, certificate="api-server", issuer=issuer)
    kills = [Kill(node=client.node, service=client.unit) for client in api_clients(lab)]
    with contextlib.ExitStack() as changed:
        with faults.inflict_all([Cut(link=uplink(lab, node)) for node in edges(lab)]):
            hold_until_lost(lab, watch)
            changed.enter_context(faults.inflict(change))
            with faults.inflict_all(kills):
                pass  # systemd restarts them
        yield


@pytest.mark.scenario("API server's certificate replaced while offline")
@allure.title(
    "Nodes reconnect to an API server whose certificate was replaced while they were offline"
)
def test_nodes_come_back_to_an_api_server_with_another_certificate(
    lab: Lab, faults: FaultEngine, autonomy: Autonomy, measure: Measuring, time_limit: TimeLimit
) -> None:
    must_dial_api_server(lab)
    with autonomy.watching() as watch, changed_while_offline(lab, faults, watch, Issuer.OWN):
        away = unhealthy_nodes(lab, watch, time_limit(BACK_SECONDS))
    assert not away, f"not Ready before the first certificate was restored: {', '.join(away)}"
    for node in edges(lab):
        cut = record_of(watch.recording, Cut(link=uplink(lab, node)))
        assert cut.healed is not None
        back = ready_after(watch.recording, node, cut.healed)
        measure("Ready after the uplink was restored", back, unit="s", better="lower", node=node)
    expect = Expectation(must_detect=True)
    all_passed([autonomy.judge(watch, node, expect) for node in edges(lab)])


@pytest.mark.scenario("API server's certificate from a foreign authority")
@allure.title("Nodes do not reconnect to an API server that presents a foreign certificate")
def test_no_node_comes_back_to_an_api_server_with_a_foreign_certificate(
    lab: Lab, faults: FaultEngine, autonomy: Autonomy, time_limit: TimeLimit
) -> None:
    """The control. The lab itself does not trust that API server either when it reconnects: then
    its last observation counts, and the clients' own logs show that they refused it."""
    must_dial_api_server(lab)
    seen: dict[str, NodeSeen | None] = {}
    with autonomy.watching() as watch, changed_while_offline(lab, faults, watch, Issuer.FOREIGN):
        since = int(time.time())  # the nodes' clocks are set from this one
        autonomy.hold(until_lost(lab))
        seen = {node: watch.recorder.newest(NodeSeen, node) for node in edges(lab)}
        clients = api_clients(lab)
        refused = {client.id: refusals(lab, client, since, time_limit) for client in clients}
    if silent := [name for name, count in refused.items() if not count]:
        raise LabError(f"no evidence: {', '.join(silent)} refused no certificate")
    for node, view in seen.items():
        assert view is not None, f"{node} was not examined"
        assert view.ready != READY, f"{node} trusts a foreign authority"
    expect = Expectation(must_detect=True)
    all_passed([autonomy.judge(watch, node, expect) for node in edges(lab)])
