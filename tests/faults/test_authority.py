"""The authority of a cluster is replaced stage by stage, and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_lab.addons import get_platform
from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.families.authority import Authorities
from edge_lab.faults.families.authority.byname import AuthorityInjectors, replaceable
from edge_lab.faults.families.authority.stagetimes import StageTimes
from edge_lab.faults.kinds import AuthorityStage, ReplaceAuthority
from edge_lab.faults.undo import StillActive
from edge_lab.pki import CLUSTER as CLUSTER_DOMAIN
from edge_lab.pki import Pki, Stage, TrustBundle, TrustForm
from edge_lab.stacks.identities import node_client_spec
from tests.faults.fake_authority import TOO_LITTLE, Bench, bench_of
from tests.faults.plans import TOPOLOGY

NODES = [node.name for node in TOPOLOGY.nodes]
EDGE = "edge-arm"
STAGES = list(AuthorityStage)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    platform = get_platform("kubernetes+openyurt", TOPOLOGY)
    return Pki.create(tmp_path_factory.mktemp("keys") / "keys", platform.identities(TOPOLOGY))


@pytest.fixture
def bench(pki: Pki, tmp_path: Path) -> Bench:
    return bench_of(get_platform("kubernetes+openyurt", TOPOLOGY), pki, tmp_path)


def replaced(stage: AuthorityStage, *left_out: str) -> ReplaceAuthority:
    return ReplaceAuthority(stage=stage, left_out=left_out)


def go_to(bench: Bench, stage: AuthorityStage, *left_out: str) -> None:
    for before in STAGES[: STAGES.index(stage) + 1]:
        out = left_out if before is AuthorityStage.NEW_SHOWN else ()
        bench.injector().inject(replaced(before, *out))


def cut_off(bench: Bench) -> set[str]:
    """Nodes that do not get through to the API server, or it to them."""
    cluster = bench.cluster
    return {node for node in NODES if not (cluster.asks(node) and cluster.is_called(node))}


def trusted_by_host(bench: Bench) -> int:
    bundle = TrustBundle("host", CLUSTER_DOMAIN, "", (), TrustForm.KUBECONFIG)
    return len(bundle.authorities(bench.kubectl.kubeconfig.read_bytes()))


@pytest.mark.slow(reason="handshakes of all nodes at each stage")
def test_it_is_replaced_and_taken_back_and_all_nodes_get_through_at_each_stage(
    bench: Bench,
) -> None:
    files, admin = dict(bench.cluster.files), bench.kubectl.kubeconfig.read_bytes()
    for stage in STAGES:
        times = StageTimes.read(bench.injector().inject(replaced(stage)))
        assert list(times.seconds) == NODES
        assert cut_off(bench) == set()
        assert bench.injector().files.stage() is stage.stage
        assert trusted_by_host(bench) == (1 if stage is AuthorityStage.OLD_REMOVED else 2)
    assert bench.kubectl.kubeconfig.read_bytes() != admin
    for stage in reversed(STAGES):
        assert list(StageTimes.read(bench.injector().heal(replaced(stage))).seconds) == NODES
        assert cut_off(bench) == set()
    holdings = bench.cluster.holdings
    requested = {
        (request.node, request.files.replace("*", "current.pem")) for request in holdings.requested
    }
    assert requested
    left = {place for place in bench.cluster.files if place not in files}
    changed = {place for place, content in files.items() if bench.cluster.files[place] != content}
    assert (left, changed) == (set(), requested), "what was requested is signed anew, and no draft"
    assert bench.kubectl.kubeconfig.read_bytes() == admin
    assert [path.name for path in bench.kubectl.kubeconfig.parent.iterdir()] == ["kubeconfig"]


@pytest.mark.slow(reason="handshakes of all nodes at each stage")
def test_in_the_end_what_the_old_one_has_signed_is_refused_and_before_it_is_not(
    bench: Bench,
) -> None:
    go_to(bench, AuthorityStage.NEW_SHOWN)
    succession = bench.injector().files.succession()
    by_old, by_new = (
        authority.issue(node_client_spec(EDGE)) for authority in (succession.old, succession.new)
    )
    cluster = bench.cluster
    for identity in (by_old, by_new):
        assert cluster.asks(EDGE, identity)
        assert cluster.is_called(EDGE, identity)
    bench.injector().inject(replaced(AuthorityStage.OLD_REMOVED))
    assert not cluster.asks(EDGE, by_old)
    assert not cluster.is_called(EDGE, by_old)
    assert cluster.asks(EDGE, by_new)
    assert cluster.is_called(EDGE, by_new)


@pytest.mark.slow(reason="handshakes of all nodes at each stage")
def test_a_node_that_is_left_out_of_the_middle_is_refused_until_the_old_one_is_back(
    bench: Bench,
) -> None:
    """The planted defect."""
    go_to(bench, AuthorityStage.OLD_REMOVED, EDGE)
    assert cut_off(bench) == {EDGE}
    bench.injector().heal(replaced(AuthorityStage.OLD_REMOVED))
    assert cut_off(bench) == set()


def test_a_node_that_reports_its_status_and_renews_no_lease_is_heard_of(bench: Bench) -> None:
    bench.kubectl.without_lease = frozenset({EDGE})
    bench.injector().inject(replaced(AuthorityStage.BOTH_TRUSTED))
    assert EDGE in bench.kubectl.renewed


def test_the_middle_cannot_be_left_out(bench: Bench) -> None:
    files = dict(bench.cluster.files)
    for early in STAGES[1:]:
        with pytest.raises(InputError):
            bench.injector().inject(replaced(early))
    assert bench.cluster.files == files
    bench.injector().inject(replaced(STAGES[0]))
    with pytest.raises(InputError):
        bench.injector().inject(replaced(AuthorityStage.OLD_REMOVED))


def test_an_earlier_stage_is_not_taken_back_before_a_later_one(bench: Bench) -> None:
    go_to(bench, AuthorityStage.NEW_SHOWN)
    with pytest.raises(LabError):
        bench.injector().heal(replaced(AuthorityStage.BOTH_TRUSTED))
    assert bench.injector().files.stage() is Stage.NEW_SHOWN


@pytest.mark.slow(reason="waits until it is given up")
def test_a_node_whose_trust_nobody_declares_is_a_stage_without_effect_and_is_taken_back(
    bench: Bench,
) -> None:
    forgotten = bench.without_trust_on(EDGE)
    bench.injector(holdings=forgotten).inject(replaced(AuthorityStage.BOTH_TRUSTED))
    with pytest.raises(LabError) as caught:
        bench.injector(TOO_LITTLE, forgotten).inject(replaced(AuthorityStage.NEW_SHOWN))
    assert not isinstance(caught.value, StillActive)
    assert bench.injector().files.stage() is Stage.BOTH_TRUSTED
    assert cut_off(bench) == set()


@pytest.mark.slow(reason="handshakes of all nodes at each stage")
def test_all_that_reads_the_authority_is_restarted_at_each_stage(bench: Bench) -> None:
    units = {f"{node} {unit}" for node in NODES for unit in bench.cluster.holdings.on(node).units}
    for stage in STAGES:
        bench.cluster.restarted.clear()
        bench.injector().inject(replaced(stage))
        assert set(bench.cluster.restarted) == units


def test_a_stack_that_does_not_declare_whom_it_trusts_is_refused_with_its_reason() -> None:
    stack = get_platform("k3s+k3s", TOPOLOGY).stack
    assert stack.why_authority_stays
    with pytest.raises(InputError) as caught:
        AuthorityInjectors(stack, {}).inject(replaced(STAGES[0]))
    assert stack.why_authority_stays in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "authorities"),
    [
        ("kubernetes+openyurt", ["cluster"]),
        ("kubernetes+kubelet", ["cluster"]),
        ("kubernetes+kubeedge", ["cluster", "kubeedge"]),
        ("k3s+k3s", []),
        ("k3s+kubeedge", []),
    ],
)
def test_a_stack_says_which_authorities_can_be_replaced(name: str, authorities: list[str]) -> None:
    assert list(replaceable(get_platform(name, TOPOLOGY).stack, TOPOLOGY)) == authorities


def test_an_authority_that_there_is_none_of_is_refused_with_those_that_there_are(
    bench: Bench,
) -> None:
    stack = get_platform("kubernetes+openyurt", TOPOLOGY).stack
    injectors = AuthorityInjectors(stack, {"cluster": bench.injector()})
    injectors.check(replaced(STAGES[0]))
    wrong = ReplaceAuthority(stage=AuthorityStage.BOTH_TRUSTED, authority="kubeedge")
    with pytest.raises(InputError) as caught:
        injectors.check(wrong)
    assert "cluster" in caught.value.remedy


def test_two_authorities_are_two_targets() -> None:
    first = replaced(STAGES[0])
    second = ReplaceAuthority(stage=STAGES[0], authority="kubeedge")
    assert first.targets.isdisjoint(second.targets)
    assert first.title != second.title


def test_a_node_is_left_out_of_the_middle_stage_alone() -> None:
    assert not list(replaced(AuthorityStage.NEW_SHOWN, EDGE).objections(TOPOLOGY))
    for wrong in (
        replaced(AuthorityStage.NEW_SHOWN, "nobody"),
        ReplaceAuthority(stage=AuthorityStage.BOTH_TRUSTED, left_out=(EDGE,)),
    ):
        assert [objection.field for objection in wrong.objections(TOPOLOGY)] == ["left_out"]
    assert Authorities.kinds == (ReplaceAuthority,)


@pytest.mark.parametrize("text", ["", "certificate 0123 is shown", "3.0 s"])
def test_other_proofs_have_no_times(text: str) -> None:
    assert StageTimes.read(text).seconds == {}
    assert StageTimes.read("a-b 1.0 s, c 20.5 s").seconds == {"a-b": 1.0, "c": 20.5}
