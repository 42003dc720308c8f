"""Certificates that are replaced on a node, on machines that are a few lines of Python."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509

from edge_lab.addons import get_platform
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.families.certificate.injector import CertificateInjector
from edge_lab.faults.families.certificate.kinds import Issuer
from edge_lab.faults.families.certificate.sight import Sight, fingerprint
from edge_lab.faults.kinds import ReplaceCertificate
from edge_lab.faults.undo import StillActive
from edge_lab.pki import CLUSTER, InstalledCertificate, Pki
from edge_lab.provisioning.provision import GuestFile
from edge_lab.stacks import stack_names
from tests.faults.plans import TOPOLOGY, plan_of, refusal

NODE = "edge-arm"
KUBELET_SERVING = ReplaceCertificate(node=NODE, certificate="kubelet-serving")
NODE_CLIENT = ReplaceCertificate(node=NODE, certificate="node")
MAPPER = ReplaceCertificate(node=NODE, certificate="mapper")
API_SERVER = ReplaceCertificate(node="server", certificate="api-server")
EACH = [KUBELET_SERVING, NODE_CLIENT, MAPPER, API_SERVER]
by_title = pytest.mark.parametrize("fault", EACH, ids=lambda fault: fault.certificate)


@dataclass
class FakeCluster:
    """Nodes with files, and a server that has seen what they show."""

    installed: tuple[InstalledCertificate, ...]
    trusted: x509.Certificate
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    restarted: list[str] = field(default_factory=list)
    audit: list[str] = field(default_factory=list)
    journal: list[tuple[float, str]] = field(default_factory=list)
    """With the time of each line, seconds since 1970."""
    obeys: bool = True
    """Files are taken, and units shown again; else nothing is taken from them."""

    def taken(self, node: str, unit: str) -> None:
        """What the API server writes down of a client that begins anew."""
        for held in self.installed:
            if held.node == node and held.unit == unit and held.shown_at is None:
                shown = self.certificate_of(held)
                if self.trusts(shown):
                    # As of Kubernetes 1.34, with the fields that count.
                    known = f"X509SHA256={fingerprint(shown)}"
                    event = {
                        "user": {"extra": {"authentication.kubernetes.io/credential-id": [known]}},
                        "requestReceivedTimestamp": datetime.now(UTC).isoformat()[:26] + "Z",
                    }
                    self.audit.append(json.dumps(event, separators=(",", ":")))
                else:
                    line = (
                        'E1129 authentication.go:75] "Unable to authenticate the request" '
                        f'err="verifying certificate SN={shown.serial_number}, SKID=, AKID= failed"'
                    )
                    self.journal.append((time.time(), line))

    def trusts(self, shown: x509.Certificate) -> bool:
        try:
            shown.verify_directly_issued_by(self.trusted)
        except Exception:  # noqa: BLE001 - any reason is a refusal
            return False
        return shown.not_valid_after_utc > datetime.now(UTC)

    def certificate_of(self, held: InstalledCertificate) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.files[held.node, held.certificate])


@dataclass
class FakeMachine:
    name: str
    cluster: FakeCluster

    def write(self, file: GuestFile, deadline: Deadline | None = None) -> None:
        self.cluster.files[self.name, file.path] = file.content

    def read(self, path: str, deadline: Deadline | None = None) -> bytes:
        return self.cluster.files[self.name, path]

    def run(
        self, command: str, deadline: Deadline | None = None, check: bool = True
    ) -> SimpleNamespace:
        return SimpleNamespace(stdout=self._said(command))

    def _said(self, command: str) -> str:
        cluster = self.cluster
        if command.startswith("date"):
            return datetime.now(UTC).strftime("%s %Y-%m-%dT%H:%M:%S")
        if command.startswith("mv"):
            if cluster.obeys:
                for one in command.split(" && "):
                    source, target = one.split()[-2:]
                    cluster.files[self.name, target] = cluster.files.pop((self.name, source))
            return ""
        if found := re.match(r"systemctl restart (\S+)", command):
            cluster.restarted.append(f"{self.name} {found[1]}")
            cluster.taken(self.name, found[1])
            return ""
        if found := re.search(r"(X509SHA256=\w+)", command):
            return "\n".join([line for line in cluster.audit if found[1] in line][-1:])
        if found := re.search(r"--since=@(\d+) .*'(verifying certificate SN=\d+,)'", command):
            since = int(found[1])
            lines = [line for at, line in cluster.journal if at >= since and found[2] in line]
            return "\n".join(lines[:1])
        if found := re.search(r"(\d+\.\d+\.\d+\.\d+) (\d+) 2>", command):
            for held in cluster.installed:
                where = held.shown_at
                if where and (str(where[0]), str(where[1])) == found.groups():
                    return cluster.files[held.node, held.certificate].decode()
        raise AssertionError(command)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    platform = get_platform("kubernetes+openyurt", TOPOLOGY)
    return Pki.create(tmp_path_factory.mktemp("keys") / "keys", platform.identities(TOPOLOGY))


@pytest.fixture
def cluster(pki: Pki) -> FakeCluster:
    platform = get_platform("kubernetes+openyurt", TOPOLOGY)
    made = FakeCluster(platform.certificates(TOPOLOGY), trusted=pki.authority(CLUSTER).certificate)
    for held in made.installed:
        for file in held.files(pki.identity(CLUSTER, held.request.name)):
            made.files[held.node, file.path] = file.content
    return made


def injector_of(cluster: FakeCluster, pki: Pki) -> CertificateInjector:
    def limit(seconds: float) -> Deadline:
        return Deadline.after(0.3)

    machines: Any = {node.name: FakeMachine(node.name, cluster) for node in TOPOLOGY.nodes}
    return CertificateInjector(
        machines=machines,
        pki=lambda: pki,
        installed=cluster.installed,
        sight=Sight(machines["server"], limit),
        limit=limit,
    )


def held_by(cluster: FakeCluster, fault: ReplaceCertificate) -> InstalledCertificate:
    return next(
        held
        for held in cluster.installed
        if (held.node, held.name) == (fault.node, fault.certificate)
    )


@by_title
def test_another_certificate_of_the_same_name_is_laid_seen_and_the_first_put_back(
    cluster: FakeCluster, pki: Pki, fault: ReplaceCertificate
) -> None:
    held, injector = held_by(cluster, fault), injector_of(cluster, pki)
    files, first = dict(cluster.files), cluster.certificate_of(held)
    assert fingerprint(first)[:16] not in injector.inject(fault)
    second = cluster.certificate_of(held)
    assert second.serial_number != first.serial_number
    assert (second.subject, second.issuer) == (first.subject, first.issuer)
    assert bool(cluster.restarted) is not held.reloads
    assert fingerprint(first)[:16] in injector.heal(fault)
    assert cluster.files == files, "what was there before is there again, and no draft"


@by_title
def test_a_fault_without_effect_is_a_lab_error(
    cluster: FakeCluster, pki: Pki, fault: ReplaceCertificate
) -> None:
    first = cluster.certificate_of(held_by(cluster, fault))
    cluster.obeys = False
    with pytest.raises(LabError) as caught:
        injector_of(cluster, pki).inject(fault)
    assert not isinstance(caught.value, StillActive)
    assert cluster.certificate_of(held_by(cluster, fault)) == first


@pytest.mark.slow(reason="waits until it is given up")
def test_one_that_can_neither_be_seen_nor_put_back_stays_active(
    cluster: FakeCluster, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as blind:
        blind.setattr(Sight, "shown", lambda *asked: False)
        with pytest.raises(StillActive):
            injector_of(cluster, pki).inject(KUBELET_SERVING)
    assert injector_of(cluster, pki).heal(KUBELET_SERVING)


def test_a_certificate_that_is_laid_and_not_shown_is_put_back(
    cluster: FakeCluster, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, first = held_by(cluster, KUBELET_SERVING), pki.identity(CLUSTER, f"kubelet-{NODE}")
    shows = Sight.shown
    monkeypatch.setattr(
        Sight,
        "shown",
        lambda self, wanted, *where: (
            fingerprint(wanted) == fingerprint(first.certificate) and shows(self, wanted, *where)
        ),
    )
    with pytest.raises(LabError) as caught:
        injector_of(cluster, pki).inject(KUBELET_SERVING)
    assert not isinstance(caught.value, StillActive)
    assert cluster.files[NODE, held.certificate] == first.certificate_pem


def test_a_foreign_authority_s_certificate_is_seen_by_its_refusal(
    cluster: FakeCluster, pki: Pki
) -> None:
    fault = NODE_CLIENT.model_copy(update={"issuer": Issuer.FOREIGN})
    injector = injector_of(cluster, pki)
    assert "turned away" in injector.inject(fault)
    assert not cluster.trusts(cluster.certificate_of(held_by(cluster, fault)))
    assert "let in" in injector.heal(fault)
    assert "let in" in injector.inject(NODE_CLIENT)


def test_a_short_certificate_is_over_in_time(cluster: FakeCluster, pki: Pki) -> None:
    began = datetime.now(UTC)
    injector_of(cluster, pki).inject(NODE_CLIENT.model_copy(update={"valid_s": 180.0}))
    over = cluster.certificate_of(held_by(cluster, NODE_CLIENT)).not_valid_after_utc
    assert timedelta(seconds=175) < over - began < timedelta(seconds=190)


def test_what_the_api_server_met_before_is_no_proof(cluster: FakeCluster, pki: Pki) -> None:
    machine: Any = FakeMachine("server", cluster)
    sight = Sight(machine, lambda seconds: Deadline.after(1))
    certificate = pki.identity(CLUSTER, f"node-{NODE}").certificate
    cluster.taken(NODE, held_by(cluster, NODE_CLIENT).unit)
    assert sight.met(certificate, "0 2000-01-01T00:00:00") == "let in"
    assert sight.met(certificate, f"{time.time() + 60:.0f} 2100-01-01T00:00:00") == ""
    cluster.audit[-1] = cluster.audit[-1][20:]
    assert sight.met(certificate, "0 2000-01-01T00:00:00") == ""


def test_what_the_api_server_turned_away_before_is_no_proof(cluster: FakeCluster, pki: Pki) -> None:
    machine: Any = FakeMachine("server", cluster)
    sight = Sight(machine, lambda seconds: Deadline.after(1))
    foreign = NODE_CLIENT.model_copy(update={"issuer": Issuer.FOREIGN})
    injector_of(cluster, pki).inject(foreign)
    certificate = cluster.certificate_of(held_by(cluster, foreign))
    assert sight.met(certificate, "0 2000-01-01T00:00:00") == "turned away"
    assert sight.met(certificate, f"{time.time() + 60:.0f} 2100-01-01T00:00:00") == ""


@pytest.mark.slow(reason="waits until it is given up")
def test_a_certificate_that_is_not_let_in_as_it_should_be_is_not_in_use(
    cluster: FakeCluster, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one of the own authority, nor the first one again."""
    with monkeypatch.context() as wrong:
        wrong.setattr(FakeCluster, "trusts", lambda *asked: False)
        with pytest.raises(StillActive):
            injector_of(cluster, pki).inject(NODE_CLIENT)
    injector_of(cluster, pki).inject(NODE_CLIENT)
    with monkeypatch.context() as wrong:
        wrong.setattr(FakeCluster, "trusts", lambda *asked: False)
        with pytest.raises(LabError):
            injector_of(cluster, pki).heal(NODE_CLIENT)


def test_a_certificate_that_is_not_there_names_those_that_are(
    cluster: FakeCluster, pki: Pki
) -> None:
    injector = injector_of(cluster, pki)
    unknown = ReplaceCertificate(node=NODE, certificate="etcd")
    for ask in (injector.check, injector.inject):
        with pytest.raises(InputError) as caught:
            ask(unknown)
        assert "kubelet-serving" in caught.value.remedy
    injector.check(MAPPER)
    with pytest.raises(InputError):
        injector.check(MAPPER.model_copy(update={"node": "server"}))


@pytest.mark.parametrize("stack", stack_names())
def test_each_declared_certificate_is_one_that_its_node_is_given(
    stack: str, tmp_path: Path
) -> None:
    platform = get_platform(stack, TOPOLOGY)
    requested = platform.identities(TOPOLOGY)
    declared = platform.certificates(TOPOLOGY)
    assert len({(held.node, held.name) for held in declared}) == len(declared)
    for held in declared:
        assert held.request in requested
        units = platform.units(TOPOLOGY)[held.node]
        assert held.unit in units


# -- in plans ------------------------------------------------------------------------------------


def test_a_plan_that_reboots_the_node_meanwhile_contradicts_itself() -> None:
    """A boot puts the first certificate back."""
    replaced = f"{{fault: replace-certificate, node: {NODE}, certificate: node, at: 10, for: 300}}"
    reboot = f"{{fault: reboot, node: {NODE}, at: 100}}"
    assert "conflicts" in refusal(plan_of(replaced, reboot)).message


def test_a_plan_that_freezes_a_service_meanwhile_contradicts_itself() -> None:
    """The restart would end it."""
    replaced = f"{{fault: replace-certificate, node: {NODE}, certificate: node, at: 10, for: 300}}"
    freeze = f"{{fault: freeze, node: {NODE}, service: yurthub.service, at: 100, for: 20}}"
    assert "conflicts" in refusal(plan_of(replaced, freeze)).message


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        ("node", ReplaceCertificate(node="edge-mips", certificate="node")),
        ("valid_s", ReplaceCertificate(node=NODE, certificate="node", valid_s=5)),
    ],
)
def test_what_could_never_be_seen_is_refused(field: str, fault: ReplaceCertificate) -> None:
    assert [objection.field for objection in fault.objections(TOPOLOGY)] == [field]
    assert not list(NODE_CLIENT.objections(TOPOLOGY))
