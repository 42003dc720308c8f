"""Certificates are replaced on a running node, one after the other, while samples flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import sampler_pod
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.core.errors import MissingCapability
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.families.certificate.kinds import Issuer
from edge_lab.faults.kinds import ReplaceCertificate
from edge_lab.fixtures.autonomy import Autonomy
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.oracles.autonomy import Expectation
from edge_lab.pki import InstalledCertificate
from suites.edges import until_lost
from suites.known import edgecore_ends_containers
from suites.rotation.views import ready_at, record_of, unready_seconds

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Rotation"), allure.feature("Replaced certificates")]

AFTERMATH_SECONDS = 30.0
EXEC_SECONDS = 60.0


def must_hold(lab: Lab, node: str, certificate: str) -> InstalledCertificate:
    """The declared certificate; skips if the stack has no such certificate that can be replaced."""
    for held in lab.platform.certificates(lab.topology):
        if (held.node, held.name) == (node, certificate):
            return held
    raise MissingCapability(f"no certificate {certificate!r} of {node} can be replaced")


@pytest.mark.scenario("certificate replaced")
@pytest.mark.parametrize("certificate", ["kubelet-serving", "node", "mapper"])
@edgecore_ends_containers
@allure.title("{edge_node} uses a replaced certificate ({certificate}), and no sample is lost")
def test_another_certificate_is_taken_and_no_sample_is_lost(
    lab: Lab,
    edge_node: LabNode,
    certificate: str,
    faults: FaultEngine,
    autonomy: Autonomy,
    measure: Measuring,
) -> None:
    must_hold(lab, edge_node.name, certificate)
    fault = ReplaceCertificate(node=edge_node.name, certificate=certificate)
    with autonomy.watching(edge_node.name) as watch:
        with faults.inflict(fault):
            autonomy.hold(AFTERMATH_SECONDS)
        autonomy.hold(AFTERMATH_SECONDS)
    record = record_of(watch.recording, fault)
    assert record.seen is not None
    assert record.heal_began is not None
    assert record.healed is not None
    took = {"first": record.seen - record.began, "second": record.healed - record.heal_began}
    for label, ns in took.items():
        title = f"{certificate} certificate in use after"
        measure(title, ns / 1e9, unit="s", better="lower", node=edge_node.name, label=label)
    measure(
        f"not Ready while the {certificate} certificate was replaced",
        unready_seconds(watch.recording, edge_node.name, record.began),
        unit="s",
        better="lower",
        node=edge_node.name,
    )
    verdict = autonomy.judge(watch, edge_node.name)
    assert verdict.passed, str(verdict)


@pytest.mark.scenario("node certificate from a foreign authority")
@edgecore_ends_containers
@allure.title(
    "{edge_node} with a certificate from a foreign authority is NotReady until it is replaced"
)
def test_a_node_with_a_foreign_certificate_is_lost(
    lab: Lab, edge_node: LabNode, faults: FaultEngine, autonomy: Autonomy
) -> None:
    """The control: an untrusted certificate must be refused."""
    must_hold(lab, edge_node.name, "node")
    fault = ReplaceCertificate(node=edge_node.name, certificate="node", issuer=Issuer.FOREIGN)
    with autonomy.watching(edge_node.name) as watch, faults.inflict(fault):
        autonomy.hold(until_lost(lab))
    record = record_of(watch.recording, fault)
    assert record.heal_began is not None
    assert not ready_at(watch.recording, edge_node.name, record.heal_began)
    verdict = autonomy.judge(watch, edge_node.name, Expectation(must_detect=True))
    assert verdict.passed, str(verdict)


@pytest.mark.needs("exec")
@allure.title("The API server does not connect to a kubelet that presents a foreign certificate")
def test_the_api_server_calls_no_kubelet_with_a_foreign_certificate(
    lab: Lab, edge_node: LabNode, faults: FaultEngine, time_limit: TimeLimit
) -> None:
    must_hold(lab, edge_node.name, "kubelet-serving")
    pod = sampler_pod(edge_node.name)

    def refusal() -> str:
        """Why the API server could not connect to the kubelet; empty if it could."""
        try:
            # An error of the program itself shows that the kubelet has started it.
            lab.kubectl.exec(
                pod, ["/edge", "probe"], time_limit(EXEC_SECONDS), namespace=NAMESPACE, check=False
            )
        except KubectlError as trouble:
            return trouble.stderr
        return ""

    assert refusal() == ""
    foreign = ReplaceCertificate(
        node=edge_node.name, certificate="kubelet-serving", issuer=Issuer.FOREIGN
    )
    with faults.inflict(foreign):
        assert "x509" in refusal()
    assert refusal() == ""
