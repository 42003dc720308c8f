"""A certificate whose authority belongs to the running cluster: edgecore's, by cloudcore."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from edge_lab.addons import get_platform
from edge_lab.core.errors import LabError
from edge_lab.faults.families.certificate.kinds import Issuer
from edge_lab.faults.families.certificate.sight import Met
from edge_lab.faults.kinds import ReplaceCertificate
from edge_lab.pki import Authority
from edge_lab.stacks.kubeedge_authority import NAMESPACE, SECRET
from tests.faults.fake_certificates import (
    FakeCluster,
    FakeKeys,
    cluster_of,
    held_by,
    injector_of,
    secret_of,
    sight_of,
)
from tests.faults.plans import TOPOLOGY
from tests.keys import keys_made_once

NODE, OTHER = "edge-arm", "edge-riscv"
OWN = ReplaceCertificate(node=NODE, certificate="node")
FOREIGN = OWN.model_copy(update={"issuer": Issuer.FOREIGN})
EPOCH = "0 1970-01-01T00:00:00"
VALID_SECONDS = 240.0


@pytest.fixture(scope="module")
def cloudcore() -> Authority:
    return Authority.create("KubeEdge")


@pytest.fixture(scope="module")
def keys(cloudcore: Authority, tmp_path_factory: pytest.TempPathFactory) -> FakeKeys:
    pki = keys_made_once(tmp_path_factory.mktemp("keys") / "keys", TOPOLOGY)
    return FakeKeys(pki, {(NAMESPACE, SECRET): secret_of(cloudcore)})


@pytest.fixture
def cluster(keys: FakeKeys) -> FakeCluster:
    platform = get_platform("kubernetes+kubeedge", TOPOLOGY)
    return cluster_of(platform.certificates(TOPOLOGY), keys)


def test_another_certificate_is_by_cloudcore_and_the_first_comes_back_with_its_key(
    cluster: FakeCluster, cloudcore: Authority
) -> None:
    """The lab has never had that key: only the node can give it back."""
    held, injector, files = held_by(cluster, OWN), injector_of(cluster), dict(cluster.files)
    assert Met.LET_IN in injector.inject(OWN)
    second = cluster.certificate_of(held)
    second.verify_directly_issued_by(cloudcore.certificate)
    assert cluster.files[NODE, held.key] != files[NODE, held.key]
    assert Met.LET_IN in injector.heal(OWN)
    assert cluster.files == files
    assert Met.LET_IN in injector.heal(OWN), "healed twice"
    assert cluster.files == files


def test_a_foreign_one_has_the_authority_s_name_and_is_refused(
    cluster: FakeCluster, cloudcore: Authority
) -> None:
    held, injector = held_by(cluster, FOREIGN), injector_of(cluster)
    assert Met.REFUSED in injector.inject(FOREIGN)
    shown = cluster.certificate_of(held)
    assert shown.issuer == cloudcore.certificate.subject
    assert not cluster.trusts(held, shown)
    assert Met.LET_IN in injector.heal(FOREIGN)


def test_the_original_is_kept_whatever_is_laid_upon_another(cluster: FakeCluster) -> None:
    """As after a fault that could not be undone."""
    files, injector = dict(cluster.files), injector_of(cluster)
    injector.inject(OWN)
    injector.inject(FOREIGN)
    injector.heal(OWN)
    assert cluster.files == files


def test_a_foreign_one_that_is_let_in_is_no_effect(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cloudcore that verifies nothing."""
    first = dict(cluster.files)
    monkeypatch.setattr(FakeCluster, "trusts", lambda *asked: True)
    with pytest.raises(LabError):
        injector_of(cluster).inject(FOREIGN)
    assert cluster.files == first


def test_an_edgecore_that_does_not_begin_anew_is_no_effect(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has connected a moment before, by the first certificate."""
    cluster.taken(NODE, held_by(cluster, OWN).unit)
    monkeypatch.setattr(FakeCluster, "taken", lambda *asked: None)
    monkeypatch.setattr("edge_lab.faults.families.certificate.sight.Sight.now", lambda _: later())
    with pytest.raises(LabError):
        injector_of(cluster).inject(OWN)


def later() -> str:
    return f"{int(time.time()) + 1} -"


def test_a_short_one_is_too_young_to_be_renewed_before_it_is_used(cluster: FakeCluster) -> None:
    """edgecore asks for another at 70 % of its life at the earliest. One that began a day ago it
    would renew at once."""
    injector_of(cluster).inject(OWN.model_copy(update={"valid_s": VALID_SECONDS}))
    shown, now = cluster.certificate_of(held_by(cluster, OWN)), datetime.now(UTC)
    began, over = shown.not_valid_before_utc, shown.not_valid_after_utc
    assert began < now
    assert began + 0.7 * (over - began) > now + timedelta(seconds=VALID_SECONDS / 2)
    assert abs((over - now).total_seconds() - VALID_SECONDS) < 10


EXPIRED = "E1129 ws.go:77] dial websocket error(remote error: tls: expired certificate), response"
UNVERIFIED = (
    "E1129 certmanager.go:203] failed to get edge certificate from CloudCore:failed to call http, "
    "code: 401, message: failed to verify the certificate for edgenode: edge-arm, err: x509: "
)
CONNECTED = "I1129 websocket.go:89] Websocket connect to cloud access successful"
UNREACHED = "E1129 ws.go:77] dial websocket error(dial tcp 10.77.0.1:10000: i/o timeout), response"
RESET = "E1129 ws.go:77] dial websocket error(read tcp: connection reset by peer), response"
STRANGER = "dial websocket error(tls: failed to verify certificate: x509: certificate signed by"


@pytest.mark.parametrize(
    ("lines", "met"),
    [
        ([EXPIRED], Met.REFUSED),
        ([UNVERIFIED], Met.REFUSED),
        ([CONNECTED], Met.LET_IN),
        ([CONNECTED, EXPIRED, UNREACHED], Met.REFUSED),
        ([EXPIRED, CONNECTED], Met.LET_IN),
        # The cloud is out of reach, has broken off, or is one that edgecore refuses.
        ([UNREACHED, RESET, STRANGER], Met.NOTHING),
        ([], Met.NOTHING),
    ],
)
def test_how_it_was_met_is_what_edgecore_said_last(
    cluster: FakeCluster, lines: list[str], met: Met
) -> None:
    held = held_by(cluster, OWN)
    certificate = cluster.certificate_of(held)
    cluster.journal[:] = [(NODE, time.time(), line) for line in lines]
    assert sight_of(cluster).met(held, certificate, EPOCH) is met
    cluster.journal[:] = [(node, at - 7200, line) for node, at, line in cluster.journal]
    assert sight_of(cluster).met(held, certificate, f"{time.time() - 60:.0f} -") is Met.NOTHING
    cluster.journal[:] = [(OTHER, time.time(), line) for line in lines]
    assert sight_of(cluster).met(held, certificate, EPOCH) is Met.NOTHING


def test_a_refusal_of_before_is_no_proof(cluster: FakeCluster) -> None:
    injector_of(cluster).inject(FOREIGN)
    held = held_by(cluster, FOREIGN)
    certificate = cluster.certificate_of(held)
    assert sight_of(cluster).met(held, certificate, EPOCH) is Met.REFUSED
    assert sight_of(cluster).met(held, certificate, f"{time.time() + 60:.0f} -") is Met.NOTHING


def test_without_an_authority_nothing_is_changed(cluster: FakeCluster, keys: FakeKeys) -> None:
    """cloudcore has made none yet."""
    files = dict(cluster.files)
    cluster.keys = FakeKeys(keys.pki)
    with pytest.raises(LabError):
        injector_of(cluster).inject(OWN)
    assert cluster.files == files
