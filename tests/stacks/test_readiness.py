"""Certificate requests, units and nodes while a cluster comes up; no cluster is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.certificates import CertificateRequest
from edge_lab.cluster.kubectl import Kubectl, KubectlError
from edge_lab.cluster.requests import SERVING_SIGNER, objections
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.stacks import approve_requests, get_stack
from edge_lab.stacks.readiness import UnitWatch, apply_manifests, parse_units, wait_nodes
from edge_lab.topology import Topology, load_topology
from tests.looks import Looks


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology(Path(__file__).parents[2] / "labs" / "default.yaml")


@pytest.fixture
def soon() -> Deadline:
    return Deadline.after(60)


# What yurthub asks for, as seen: its node, the dummy address, loopback and the service.
YURTHUB_ADDRESSES = ("10.96.0.1", "169.254.2.1", "127.0.0.1", "10.77.0.11")
YURTHUB_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


def request(
    *,
    node: str = "edge-arm",
    common_name: str | None = None,
    organization: str = "system:nodes",
    addresses: Iterable[str] = YURTHUB_ADDRESSES,
    names: Iterable[str] = YURTHUB_NAMES,
    uris: Iterable[str] = (),
    signer: str = SERVING_SIGNER,
    groups: tuple[str, ...] = ("system:nodes", "system:authenticated"),
    usages: tuple[str, ...] = ("digital signature", "server auth"),
    username: str | None = None,
) -> CertificateRequest:
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name or f"system:node:{node}"),
    ]
    general: list[x509.GeneralName] = [
        *(x509.DNSName(name) for name in names),
        *(x509.IPAddress(IPv4Address(address)) for address in addresses),
        *(x509.UniformResourceIdentifier(uri) for uri in uris),
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if general:
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    csr = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return CertificateRequest(
        name="csr-1",
        username=username or f"system:node:{node}",
        groups=groups,
        signer=signer,
        usages=usages,
        request_pem=csr.public_bytes(serialization.Encoding.PEM),
    )


def test_yurthubs_own_request_is_approved(topology: Topology) -> None:
    assert objections(request(), topology) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"addresses": ["10.77.0.12"]}, "10.77.0.12, which are not edge-arm's"),
        ({"names": ["server"]}, "the names server"),
        ({"names": (), "addresses": ()}, "names no address"),
        ({"uris": ["spiffe://x"]}, "UniformResourceIdentifier"),
        ({"common_name": "system:node:server"}, "its common name is system:node:server"),
        ({"organization": "system:masters"}, "its organization is system:masters"),
        ({"signer": "kubernetes.io/kube-apiserver-client"}, "its signer is"),
        ({"node": "stranger"}, "not a node of the lab"),
        ({"username": "system:serviceaccount:x:y"}, "not a node of the lab"),
        ({"groups": ("system:authenticated",)}, "not in the group system:nodes"),
        ({"usages": ("client auth",)}, "the usages client auth"),
    ],
)
def test_a_request_that_is_not_as_expected_is_objected_to(
    topology: Topology, asked: dict[str, Any], said: str
) -> None:
    assert said in "; ".join(objections(request(**asked), topology))


def test_a_request_that_cannot_be_read_is_objected_to(topology: Topology) -> None:
    broken = CertificateRequest(
        "csr-1", "system:node:edge-arm", ("system:nodes",), SERVING_SIGNER, (), b"nonsense"
    )
    assert "cannot be read" in objections(broken, topology)[0]


# -- a cluster of paper --------------------------------------------------------------------


def node(name: str, ready: bool = True, reported: str = "10:00") -> dict[str, Any]:
    condition = {"type": "Ready", "status": str(ready), "lastHeartbeatTime": reported}
    return {"metadata": {"name": name}, "status": {"conditions": [condition]}}


def lease(name: str, at: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"renewTime": at}}


@dataclass
class PaperKubectl:
    """Answers from lists: each question takes the next answer, and the last one stays."""

    nodes: list[Any]
    leases: list[Any] = field(default_factory=lambda: [[]])
    requests: list[CertificateRequest] = field(default_factory=list)
    approved: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)

    def items(self, kind: str, *_: str, deadline: Deadline) -> list[dict[str, Any]]:
        deadline.check(kind)
        answers = {"nodes": self.nodes, "leases": self.leases}[kind]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return cast(list[dict[str, Any]], answer)

    def pending_requests(self, deadline: Deadline) -> Iterator[CertificateRequest]:
        deadline.check("requests")
        done = {*self.approved, *self.denied}
        yield from (each for each in self.requests if each.name not in done)

    def approve_csr(self, name: str, deadline: Deadline) -> None:
        self.approved.append(name)

    def deny_csr(self, name: str, deadline: Deadline) -> None:
        self.denied.append(name)


@dataclass
class Answer:
    stdout: str
    returncode: int = 0
    stderr: str = ""


@dataclass
class PaperMachine:
    """A machine whose systemd says `shown`, and whose journal is one line."""

    shown: str | LabError

    def run(self, command: str, deadline: Deadline, check: bool = True) -> Answer:
        if command.startswith("journalctl"):
            return Answer("the last words\n")
        if isinstance(self.shown, LabError):
            raise self.shown
        return Answer(self.shown)


def unit(name: str = "x.service", active: str = "active", restarts: int = 0) -> str:
    return (
        f"Id={name}\nLoadState=loaded\nActiveState={active}\nResult=exit-code\n"
        f"NRestarts={restarts}\n"
    )


def cluster_of(
    kubectl: PaperKubectl, topology: Topology, shown: str | LabError = ""
) -> ClusterAccess:
    machines = {each.name: PaperMachine(shown) for each in topology.nodes}
    return ClusterAccess(cast(Kubectl, kubectl), machines, topology)


def watch_of(cluster: ClusterAccess, deadline: Deadline, every: float = 0.0) -> UnitWatch:
    units = dict.fromkeys(cluster.machines, ("x.service",))
    return UnitWatch(cluster, units, deadline, every=every)


def all_nodes(topology: Topology) -> list[dict[str, Any]]:
    return [node(each.name) for each in topology.nodes]


def test_requests_are_approved_once(topology: Topology, soon: Deadline) -> None:
    kubectl = PaperKubectl([[]], requests=[request()])
    cluster = cluster_of(kubectl, topology)
    assert approve_requests(cluster, soon) == ("csr-1",)
    assert approve_requests(cluster, soon) == ()


def test_a_request_of_a_stranger_is_denied_and_said(topology: Topology, soon: Deadline) -> None:
    kubectl = PaperKubectl([[]], requests=[request(node="stranger")])
    with pytest.raises(LabError, match="not a node of the lab"):
        approve_requests(cluster_of(kubectl, topology), soon)
    assert kubectl.denied == ["csr-1"]
    assert kubectl.approved == []


def test_waiting_survives_an_api_server_that_stumbles(topology: Topology) -> None:
    stumble = KubectlError("connection refused", stderr="")
    kubectl = PaperKubectl([stumble, all_nodes(topology)])
    cluster = cluster_of(kubectl, topology, unit())
    deadline = Deadline.after(60)
    wait_nodes(cluster, watch_of(cluster, deadline), deadline)


def test_a_wait_in_vain_names_the_nodes_that_are_missing(topology: Topology) -> None:
    kubectl = PaperKubectl([[node("server"), node("edge-arm", ready=False)]])
    cluster = cluster_of(kubectl, topology, unit())
    deadline = Looks()
    with pytest.raises(DeadlineExceeded, match="not Ready: edge-arm, edge-riscv"):
        wait_nodes(cluster, watch_of(cluster, deadline), deadline)


def test_after_a_restore_a_node_counts_when_it_has_been_heard(topology: Topology) -> None:
    names = [each.name for each in topology.nodes]
    old = [lease(name, "10:00") for name in names]
    half = [lease(names[0], "10:05"), *old[1:]]
    new = [lease(name, "10:05") for name in names]
    kubectl = PaperKubectl([all_nodes(topology)], leases=[old, half, new])
    cluster = cluster_of(kubectl, topology, unit())
    deadline = Deadline.after(60)
    wait_nodes(cluster, watch_of(cluster, deadline), deadline, heard=True)
    assert kubectl.leases == [new]
    by_status = [node(names[0], reported="10:05"), *all_nodes(topology)[1:]]
    mixed = [old[0], *new[1:]]
    kubectl = PaperKubectl([all_nodes(topology), by_status], leases=[old, mixed])
    cluster = cluster_of(kubectl, topology, unit())
    wait_nodes(cluster, watch_of(cluster, deadline), deadline, heard=True)
    silent = PaperKubectl([all_nodes(topology)], leases=[old])
    cluster = cluster_of(silent, topology, unit())
    deadline = Looks()
    with pytest.raises(DeadlineExceeded, match="not Ready"):
        wait_nodes(cluster, watch_of(cluster, deadline), deadline, heard=True)


# -- units ---------------------------------------------------------------------------------


def test_a_failed_unit_ends_the_wait_at_once_with_its_journal(topology: Topology) -> None:
    cluster = cluster_of(PaperKubectl([[]]), topology, unit(active="failed"))
    deadline = Deadline.after(60)
    with pytest.raises(LabError, match=r"x\.service on server has failed(.|\n)*the last words"):
        wait_nodes(cluster, watch_of(cluster, deadline), deadline)
    assert deadline.remaining > 25


def test_a_unit_that_starts_again_and_again_ends_the_wait(
    topology: Topology, soon: Deadline
) -> None:
    cluster = cluster_of(PaperKubectl([[]]), topology)
    watch = watch_of(cluster, soon)
    machine = cast(PaperMachine, cluster.machines["server"])
    # Restarts of an earlier boot or day do not count.
    for restarts in (20, 24):
        machine.shown = unit(restarts=restarts)
        watch.look("server")
    machine.shown = unit(restarts=28)
    with pytest.raises(LabError, match="has been restarted"):
        watch.look("server")


def test_a_unit_that_is_not_there_is_named(topology: Topology, soon: Deadline) -> None:
    missing = unit(active="inactive").replace("loaded", "not-found")
    cluster = cluster_of(PaperKubectl([[]]), topology, missing)
    with pytest.raises(LabError, match="does not exist"):
        watch_of(cluster, soon).look("server")


def test_a_machine_too_busy_to_answer_ends_nothing(topology: Topology, soon: Deadline) -> None:
    cluster = cluster_of(PaperKubectl([[]]), topology, LabError("ssh: timed out"))
    watch_of(cluster, soon)()


def test_a_lost_machine_ends_the_wait(topology: Topology, soon: Deadline) -> None:
    def panic() -> None:
        raise LabError("Kernel panic - not syncing")

    kubectl = cast(Kubectl, PaperKubectl([[]]))
    cluster = ClusterAccess(kubectl, {}, topology, watch=panic)
    with pytest.raises(LabError, match="panic"):
        wait_nodes(cluster, UnitWatch(cluster, {}, soon), soon)


def test_the_units_are_not_looked_at_all_the_time(topology: Topology, soon: Deadline) -> None:
    cluster = cluster_of(PaperKubectl([[]]), topology, unit(active="failed"))
    watch_of(cluster, soon, every=60)()


def test_what_systemd_shows_of_several_units_is_read() -> None:
    found = parse_units(unit("a.service") + "\n" + unit("b.service", "failed", 3))
    assert [(each.name, each.active, each.restarts) for each in found] == [
        ("a.service", "active", 0),
        ("b.service", "failed", 3),
    ]
    assert parse_units("") == []


def test_every_watched_node_is_a_machine(topology: Topology) -> None:
    units = get_stack("kubernetes+openyurt").units(topology)
    assert set(units) == {each.name for each in topology.nodes}


class DefiningKubectl:
    """An API server that serves a kind a while after it was defined."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        self.applied: list[list[str]] = []

    apply_patiently = Kubectl.apply_patiently

    def apply(self, manifests: Any, deadline: Deadline) -> None:
        kinds = [each["kind"] for each in manifests]
        if "Device" in kinds and self.looks:
            raise KubectlError("no matches for kind", stderr="no matches for kind")
        self.applied.append(kinds)

    def items(self, kind: str, *_: str, deadline: Deadline) -> list[dict[str, Any]]:
        assert kind == "CustomResourceDefinition"
        self.looks -= 1
        # One that was stored a moment ago has null, then what the API server thinks of it.
        status = "False" if self.looks else "True"
        conditions = [{"type": "Established", "status": status}] if self.looks < 2 else None
        return [{"metadata": {"name": "devices"}, "status": {"conditions": conditions}}]


def test_kinds_are_defined_and_served_before_objects_of_them_are_applied(
    topology: Topology, soon: Deadline
) -> None:
    kubectl = DefiningKubectl(looks=3)
    cluster = ClusterAccess(cast(Kubectl, kubectl), {}, topology)
    manifests = (
        {"kind": "Namespace", "metadata": {"name": "n"}},
        {"kind": "CustomResourceDefinition", "metadata": {"name": "devices"}},
        {"kind": "Device", "metadata": {"name": "boiler"}},
    )
    apply_manifests(cluster, manifests, soon)
    assert kubectl.applied == [["CustomResourceDefinition"], ["Namespace", "Device"]]


def test_without_definitions_all_is_applied_at_once(topology: Topology, soon: Deadline) -> None:
    kubectl = DefiningKubectl(looks=0)
    cluster = ClusterAccess(cast(Kubectl, kubectl), {}, topology)
    apply_manifests(cluster, ({"kind": "Namespace", "metadata": {"name": "n"}},), soon)
    assert kubectl.applied == [["Namespace"]]
