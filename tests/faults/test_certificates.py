"""Certificates that are replaced on a node, on machines that are a few lines of Python."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from edge_lab.addons import get_platform
from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.families.certificate.kinds import Issuer
from edge_lab.faults.families.certificate.sight import Sight, fingerprint
from edge_lab.faults.kinds import ReplaceCertificate
from edge_lab.faults.undo import StillActive
from edge_lab.pki import IdentityRequest, LabSigner, Pki
from edge_lab.stacks import stack_names
from tests.faults.fake_certificates import (
    FakeCluster,
    FakeKeys,
    cluster_of,
    held_by,
    injector_of,
    sight_of,
)
from tests.faults.plans import TOPOLOGY, plan_of, refusal
from tests.keys import keys_made_once

NODE = "edge-arm"
KUBELET_SERVING = ReplaceCertificate(node=NODE, certificate="kubelet-serving")
NODE_CLIENT = ReplaceCertificate(node=NODE, certificate="node")
MAPPER = ReplaceCertificate(node=NODE, certificate="mapper")
API_SERVER = ReplaceCertificate(node="server", certificate="api-server")
EACH = [KUBELET_SERVING, NODE_CLIENT, MAPPER, API_SERVER]
by_title = pytest.mark.parametrize("fault", EACH, ids=lambda fault: fault.certificate)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return keys_made_once(tmp_path_factory.mktemp("keys") / "keys", TOPOLOGY)


@pytest.fixture
def cluster(pki: Pki) -> FakeCluster:
    platform = get_platform("kubernetes+openyurt", TOPOLOGY)
    return cluster_of(platform.certificates(TOPOLOGY), FakeKeys(pki))


@by_title
def test_another_certificate_of_the_same_name_is_laid_seen_and_the_first_put_back(
    cluster: FakeCluster, fault: ReplaceCertificate
) -> None:
    held, injector = held_by(cluster, fault), injector_of(cluster)
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
    cluster: FakeCluster, fault: ReplaceCertificate
) -> None:
    first = cluster.certificate_of(held_by(cluster, fault))
    cluster.obeys = False
    with pytest.raises(LabError) as caught:
        injector_of(cluster).inject(fault)
    assert not isinstance(caught.value, StillActive)
    assert cluster.certificate_of(held_by(cluster, fault)) == first


@pytest.mark.slow(reason="waits until it is given up")
def test_one_that_can_neither_be_seen_nor_put_back_stays_active(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as blind:
        blind.setattr(Sight, "shown", lambda *asked: False)
        with pytest.raises(StillActive):
            injector_of(cluster).inject(KUBELET_SERVING)
    assert injector_of(cluster).heal(KUBELET_SERVING)


def test_a_certificate_that_is_laid_and_not_shown_is_put_back(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = held_by(cluster, KUBELET_SERVING)
    first = cluster.certificate_of(held)
    shows = Sight.shown
    monkeypatch.setattr(
        Sight,
        "shown",
        lambda self, wanted, *where: (
            fingerprint(wanted) == fingerprint(first) and shows(self, wanted, *where)
        ),
    )
    with pytest.raises(LabError) as caught:
        injector_of(cluster).inject(KUBELET_SERVING)
    assert not isinstance(caught.value, StillActive)
    assert cluster.certificate_of(held) == first


def test_a_foreign_authority_s_certificate_is_seen_by_its_refusal(cluster: FakeCluster) -> None:
    fault = NODE_CLIENT.model_copy(update={"issuer": Issuer.FOREIGN})
    injector = injector_of(cluster)
    assert "refused" in injector.inject(fault)
    held = held_by(cluster, fault)
    assert not cluster.trusts(held, cluster.certificate_of(held))
    assert "let in" in injector.heal(fault)
    assert "let in" in injector.inject(NODE_CLIENT)


def test_a_short_certificate_is_over_in_time(cluster: FakeCluster) -> None:
    began = datetime.now(UTC)
    injector_of(cluster).inject(NODE_CLIENT.model_copy(update={"valid_s": 180.0}))
    over = cluster.certificate_of(held_by(cluster, NODE_CLIENT)).not_valid_after_utc
    assert timedelta(seconds=175) < over - began < timedelta(seconds=190)


def test_what_the_api_server_met_before_is_no_proof(cluster: FakeCluster) -> None:
    sight = sight_of(cluster)
    held = held_by(cluster, NODE_CLIENT)
    certificate = cluster.certificate_of(held)
    cluster.taken(NODE, held.unit)
    assert sight.met(held, certificate, "0 2000-01-01T00:00:00") == "let in"
    assert sight.met(held, certificate, f"{time.time() + 60:.0f} 2100-01-01T00:00:00") == ""
    cluster.audit[-1] = cluster.audit[-1][20:]
    assert sight.met(held, certificate, "0 2000-01-01T00:00:00") == ""


def test_what_the_api_server_refused_before_is_no_proof(cluster: FakeCluster) -> None:
    sight = sight_of(cluster)
    foreign = NODE_CLIENT.model_copy(update={"issuer": Issuer.FOREIGN})
    injector_of(cluster).inject(foreign)
    held = held_by(cluster, foreign)
    certificate = cluster.certificate_of(held)
    assert sight.met(held, certificate, "0 2000-01-01T00:00:00") == "refused"
    assert sight.met(held, certificate, f"{time.time() + 60:.0f} 2100-01-01T00:00:00") == ""


@pytest.mark.slow(reason="waits until it is given up")
def test_a_certificate_that_is_not_let_in_as_it_should_be_is_not_in_use(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one of the own authority, nor the first one again."""
    with monkeypatch.context() as wrong:
        wrong.setattr(FakeCluster, "trusts", lambda *asked: False)
        with pytest.raises(StillActive):
            injector_of(cluster).inject(NODE_CLIENT)
    injector_of(cluster).inject(NODE_CLIENT)
    with monkeypatch.context() as wrong:
        wrong.setattr(FakeCluster, "trusts", lambda *asked: False)
        with pytest.raises(LabError):
            injector_of(cluster).heal(NODE_CLIENT)


def test_a_certificate_that_is_not_there_names_those_that_are(cluster: FakeCluster) -> None:
    injector = injector_of(cluster)
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
    stack: str,
) -> None:
    platform = get_platform(stack, TOPOLOGY)
    requested = platform.identities(TOPOLOGY)
    declared = platform.certificates(TOPOLOGY)
    assert len({(held.node, held.name) for held in declared}) == len(declared)
    for held in declared:
        if isinstance(held.signer, LabSigner):
            asked = [request for request in requested if isinstance(request, IdentityRequest)]
            assert (held.signer.domain, held.spec) in [
                (request.domain, request.spec) for request in asked
            ]
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
