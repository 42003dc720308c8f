"""Both authorities of a cluster with KubeEdge are replaced, and taken back."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from edge_lab.core.errors import InputError
from edge_lab.faults.kinds import AuthorityStage, ReplaceAuthority
from edge_lab.faults.undo import StillActive
from edge_lab.pki import Authority, Pki, Stage
from edge_lab.stacks.identities import node_client_spec
from edge_lab.stacks.kubeedge import CLOUDCORE_UNIT, EDGECORE_UNIT
from edge_lab.stacks.kubeedge_trust import ROOT
from tests.faults.fake_authority import Bench
from tests.faults.fake_certificates import SERVER
from tests.faults.fake_kubeedge import CA, FILES, KubeEdgeCluster, kubeedge_bench
from tests.faults.plans import TOPOLOGY
from tests.keys import keys_made_once

NODES = [node.name for node in TOPOLOGY.nodes]
EDGES = [node.name for node in TOPOLOGY.edges]
EDGE, OTHER = EDGES[:2]
STAGES = list(AuthorityStage)
CLUSTER, KUBEEDGE = "cluster", "kubeedge"

pytestmark = pytest.mark.slow(reason="handshakes of all nodes at each stage")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return keys_made_once(tmp_path_factory.mktemp("keys") / "keys", TOPOLOGY)


@pytest.fixture(scope="module")
def cloudcore() -> Authority:
    return Authority.create("KubeEdge")


@pytest.fixture
def bench(pki: Pki, cloudcore: Authority, tmp_path: Path) -> Bench:
    return kubeedge_bench(pki, cloudcore, tmp_path, KUBEEDGE)


def replaced(stage: AuthorityStage, *left_out: str, authority: str = KUBEEDGE) -> ReplaceAuthority:
    out = left_out if stage is AuthorityStage.NEW_SHOWN else ()
    return ReplaceAuthority(stage=stage, authority=authority, left_out=out)


def cluster_of(bench: Bench) -> KubeEdgeCluster:
    return cast(KubeEdgeCluster, bench.cluster)


def cut_off(bench: Bench) -> set[str]:
    return {node for node in NODES if not bench.cluster.asks(node)}


@pytest.mark.parametrize("authority", [CLUSTER, KUBEEDGE])
def test_it_is_replaced_and_taken_back_and_all_nodes_get_through_after_each_stage(
    pki: Pki, cloudcore: Authority, tmp_path: Path, authority: str
) -> None:
    bench = kubeedge_bench(pki, cloudcore, tmp_path, authority)
    cluster = cluster_of(bench)
    files, secrets = dict(cluster.files), dict(cluster.secrets)
    assert cut_off(bench) == set()
    for stage in STAGES:
        bench.injector().inject(replaced(stage, authority=authority))
        assert cut_off(bench) == set()
        assert bench.injector().files.stage() is stage.stage
    changed = {path for path, content in files.items() if cluster.files[path] != content}
    assert {node for node, _ in changed} == ({SERVER} if authority == CLUSTER else set(EDGES))
    assert (cluster.secrets == secrets) == (authority == CLUSTER)
    for stage in reversed(STAGES):
        bench.injector().heal(replaced(stage, authority=authority))
        assert cut_off(bench) == set()
    assert cluster.files == files
    assert cluster.secrets == secrets


def test_in_the_end_what_the_old_one_has_signed_is_refused(
    bench: Bench, cloudcore: Authority
) -> None:
    """And already when cloudcore signs by the new one: it knows no other."""
    cluster, old = cluster_of(bench), cloudcore.issue(node_client_spec(EDGE))
    bench.injector().inject(replaced(STAGES[0]))
    assert cluster.asks(EDGE, old)
    bench.injector().inject(replaced(STAGES[1]))
    assert not cluster.asks(EDGE, old)
    succession = bench.injector().files.succession()
    assert succession.old.certificate == cloudcore.certificate
    assert cluster.asks(EDGE, succession.new.issue(node_client_spec(EDGE)))
    assert cluster.secrets[CA]["cadata"] != b""


def test_a_node_that_is_left_out_is_refused_until_the_old_one_signs_again(
    bench: Bench,
) -> None:
    """The planted defect."""
    for stage in STAGES:
        bench.injector().inject(replaced(stage, EDGE))
    assert cut_off(bench) == {EDGE}
    for stage in (STAGES[2], STAGES[1]):
        assert cut_off(bench) == {EDGE}
        bench.injector().heal(replaced(stage, EDGE))
    assert cut_off(bench) == set()


def test_nobody_is_left_out_of_an_authority_that_has_signed_nothing_of_its(
    pki: Pki, cloudcore: Authority, tmp_path: Path
) -> None:
    """Of the cluster's authority an edge node with KubeEdge has nothing."""
    bench = kubeedge_bench(pki, cloudcore, tmp_path, CLUSTER)
    with pytest.raises(InputError):
        bench.injector().check(replaced(STAGES[1], EDGE, authority=CLUSTER))


def test_secrets_are_files_until_the_last_stage_is_taken_back(bench: Bench) -> None:
    cluster = cluster_of(bench)
    assert not [path for path in FILES if (SERVER, path) in cluster.files]
    bench.injector().inject(replaced(STAGES[0]))
    assert [path for path in FILES if (SERVER, path) in cluster.files] == list(FILES)
    assert cluster.restarted.count(f"{SERVER} {CLOUDCORE_UNIT}") == 1
    cluster.taken(SERVER, CLOUDCORE_UNIT)
    assert cut_off(bench) == set()
    bench.injector().heal(replaced(STAGES[0]))
    assert not [path for path in FILES if (SERVER, path) in cluster.files]


def test_a_stage_that_fails_is_taken_back(bench: Bench) -> None:
    """A node that does not take the new one: nothing reads its files any more."""
    bench.injector().inject(replaced(STAGES[0]))
    cluster = cluster_of(bench)
    root = cluster.files[OTHER, ROOT]
    cluster.files[OTHER, ROOT] = Authority.create("other").certificate_pem
    with pytest.raises(StillActive):
        bench.injector(4.0).inject(replaced(STAGES[1]))
    cluster.files[OTHER, ROOT] = root
    bench.injector().heal(replaced(STAGES[1]))
    assert bench.injector().files.stage() is Stage.BOTH_TRUSTED
    assert cut_off(bench) == set()
    assert f"{OTHER} {EDGECORE_UNIT}" in cluster.restarted
