"""A fleet of hollow nodes is taken along when the cluster's authority is replaced."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edge_lab.addons import get_platform
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.process import end_processes, spawn
from edge_lab.faults.families.authority.stagetimes import StageTimes
from edge_lab.faults.kinds import AuthorityStage, ReplaceAuthority
from edge_lab.faults.undo import StillActive
from edge_lab.fleet.kwokprocess import KwokProcess
from edge_lab.pki import CLUSTER, CertificateSpec, Identity, Pki, Stage, TrustBundle, TrustForm
from edge_lab.stacks.hostaccess import HostAccess, host_kubeconfigs
from edge_lab.stacks.kubeconfig import identity_of, kubeconfig
from tests.faults.fake_authority import (
    API_SERVER,
    PKI,
    TOO_LITTLE,
    Bench,
    TlsKubectl,
    bench_of,
    handshake,
)
from tests.faults.fake_certificates import SERVER
from tests.faults.plans import TOPOLOGY
from tests.keys import keys_made_once

pytestmark = pytest.mark.slow(reason="handshakes of all nodes at each stage")

STAGES = list(AuthorityStage)
HOLLOW = "hollow-00001"
BUNDLE = TrustBundle("host", CLUSTER, "", (), TrustForm.KUBECONFIG)


@dataclass
class HollowKubectl(TlsKubectl):
    """Beside the lab's nodes there is a hollow one: its lease is renewed when what its kwok goes
    by and the API server take each other."""

    fleet: Path = field(default_factory=Path)
    goes_by: bytes = b""

    def gets_through(self) -> bool:
        if HostAccess(self.fleet).is_taken:
            self.goes_by = self.fleet.read_bytes()
        trusted = b"".join(
            certificate.public_bytes(Encoding.PEM)
            for certificate in BUNDLE.authorities(self.goes_by)
        )
        api = self.cluster.running[SERVER, API_SERVER]
        serving = Identity(api[f"{PKI}/apiserver.crt"], api[f"{PKI}/apiserver.key"])
        met = handshake((trusted, identity_of(self.goes_by)), (api[f"{PKI}/ca.crt"], serving))
        return met == ""

    def items(self, kind: str, *more: str, deadline: Deadline) -> list[dict[str, Any]]:
        if kind == "nodes":
            ready = [{"type": "Ready", "status": "True"}]
            names = [HOLLOW, *(node.name for node in TOPOLOGY.nodes)]
            return [{"metadata": {"name": name}, "status": {"conditions": ready}} for name in names]
        assert kind == "leases"
        if self.gets_through():
            self.renewed[HOLLOW] = self.renewed.get(HOLLOW, 0) + 1
        return [
            {"metadata": {"name": HOLLOW}, "spec": {"renewTime": str(self.renewed.get(HOLLOW))}}
        ]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return keys_made_once(tmp_path_factory.mktemp("keys") / "keys", TOPOLOGY)


@pytest.fixture
def bench(pki: Pki, tmp_path: Path) -> Bench:
    bench = bench_of(get_platform("kubernetes+openyurt", TOPOLOGY), pki, tmp_path)
    fleet = tmp_path / "fleet" / "kubeconfig"
    fleet.parent.mkdir()
    authority = pki.authority(CLUSTER)
    own = authority.issue(CertificateSpec("hollow", ("system:nodes",)))
    text = kubeconfig("https://127.0.0.1:1", ca_pem=authority.certificate_pem, identity=own)
    fleet.write_text(text, encoding="utf-8")
    bench.kubectl = HollowKubectl(
        bench.cluster, bench.kubectl.kubeconfig, fleet=fleet, goes_by=fleet.read_bytes()
    )
    return bench


def command_of(bench: Bench) -> list[str]:
    """As much of kwok as is seen of it: a process that is given its kubeconfig."""
    return [
        sys.executable,
        "-c",
        "import signal; signal.pause()",
        f"--kubeconfig={fleet_of(bench)}",
    ]


def fleet_of(bench: Bench) -> Path:
    assert isinstance(bench.kubectl, HollowKubectl)
    return bench.kubectl.fleet


@contextmanager
def kwok_beside(bench: Bench) -> Iterator[KwokProcess]:
    kwok = KwokProcess(command_of(bench), fleet_of(bench).parent.parent, fleet_of(bench))
    try:
        yield kwok
    finally:
        kwok.end()


def gets_through(bench: Bench) -> bool:
    assert isinstance(bench.kubectl, HollowKubectl)
    return bench.kubectl.gets_through()


def replaced(stage: AuthorityStage) -> ReplaceAuthority:
    return ReplaceAuthority(stage=stage)


def test_a_fleet_goes_along_there_and_back(bench: Bench) -> None:
    first = fleet_of(bench).read_bytes()
    with kwok_beside(bench) as kwok:
        assert host_kubeconfigs(fleet_of(bench).parent.parent) == (fleet_of(bench),)
        for stage in STAGES:
            before = kwok.pid
            times = StageTimes.read(bench.injector().inject(replaced(stage)))
            assert list(times.seconds) == [*(node.name for node in TOPOLOGY.nodes), "fleet"]
            assert kwok.pid != before
            assert gets_through(bench)
        for stage in reversed(STAGES):
            bench.injector().heal(replaced(stage))
            assert gets_through(bench)
    assert fleet_of(bench).read_bytes() == first
    assert HostAccess(fleet_of(bench)).is_original


def test_a_fleet_that_is_left_behind_is_a_stage_without_effect(bench: Bench) -> None:
    """The planted defect: its kwok goes on by what it has read first."""
    run = fleet_of(bench).parent.parent
    spawn(command_of(bench), run=run, log=run / "kwok.log")
    try:
        with pytest.raises(StillActive) as caught:
            bench.injector(TOO_LITTLE).inject(replaced(STAGES[0]))
    finally:
        end_processes(run, Deadline.after(20))
    assert "fleet" in str(caught.value)
    bench.injector().heal(replaced(STAGES[0]))
    assert bench.injector().files.stage() is Stage.BEFORE


def test_a_kubeconfig_that_nobody_runs_by_is_left_alone(bench: Bench) -> None:
    first = fleet_of(bench).read_bytes()
    times = StageTimes.read(bench.injector().inject(replaced(STAGES[0])))
    assert "fleet" not in times.seconds
    assert fleet_of(bench).read_bytes() == first
    # And whoever would run by it from now on is locked out in the end.
    for stage in STAGES[1:]:
        bench.injector().inject(replaced(stage))
    assert not gets_through(bench)
    with pytest.raises(LabError):
        bench.injector().heal(replaced(STAGES[0]))
