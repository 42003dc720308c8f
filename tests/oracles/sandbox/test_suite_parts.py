"""Parts of the suite that need no machine: what is undone on a node, and what is read of it."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_lab.addons.gvisor.containerd import behind_runc_shim, containerd_config
from edge_lab.addons.hostile.pods import HostilePod
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError, MissingCapability
from edge_lab.data import IMAGES
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.sandbox import HostilePods
from edge_lab.handle.lab import Lab
from edge_lab.oracles.sandbox.neighbours import Load, Look, Window
from edge_lab.stacks import get_stack
from edge_lab.topology import Arch, Node, Topology
from suites.sandbox import critestrun, test_neighbours
from suites.sandbox import neighbourpod as others
from suites.sandbox.bombrun import _pids
from suites.sandbox.critestrun import PLAIN_HANDLER, plain_runsc, without_agents
from suites.sandbox.neighbourpod import Neighbour, counting_rules, neighbour_pod, watched
from suites.sandbox.nodekey import Secrets, mounted, node_key, two_secrets
from suites.sandbox.targets import metadata_service


class FakeNode:
    """Keeps what is run on it; `answer` may refuse."""

    name = "edge"
    spec = Node(name="edge", arch=Arch.X86_64, role="edge")

    def __init__(self, answer: Callable[[str], str] = lambda command: "") -> None:
        self.commands: list[str] = []
        self._answer = answer

    def output(self, command: str, *, seconds: float = 60.0) -> str:
        self.commands.append(command)
        return self._answer(command)

    def succeeds(self, command: str, *, seconds: float = 60.0) -> bool:
        self.commands.append(command)
        return True


def node(answer: Callable[[str], str] = lambda command: "") -> tuple[FakeNode, LabNode]:
    fake = FakeNode(answer)
    return fake, cast(LabNode, fake)


LAB = cast(
    Lab, SimpleNamespace(stack=SimpleNamespace(runtime=SimpleNamespace(agents=("a.service",))))
)


@pytest.fixture(autouse=True)
def always_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(critestrun, "is_ready", lambda *args: True)


def refusing(what: str) -> Callable[[str], str]:
    def answer(command: str) -> str:
        if what in command:
            raise LabError("refused")
        return ""

    return answer


def test_agents_are_started_again_whatever_comes() -> None:
    for what in ("stop a.service", "-remove-left", "stop edge-lab-critest"):
        fake, given = node(refusing(what))
        with pytest.raises(LabError), without_agents(LAB, given, Deadline.after):
            pass
        assert "systemctl start a.service" in fake.commands


def test_what_is_left_is_removed_before_agents_see_it() -> None:
    fake, given = node()
    with without_agents(LAB, given, Deadline.after):
        pass
    order = [
        next(at for at, command in enumerate(fake.commands) if word in command)
        for word in ("stop a.service", "-remove-left", "start a.service")
    ]
    assert order == sorted(order)


@pytest.mark.parametrize("arch", [Arch.X86_64, Arch.AARCH64])
def test_a_plain_runtime_is_one_more(arch: Arch) -> None:
    text = containerd_config(arch, behind_runc_shim(), default=False) + critestrun._PLAIN_RUNTIME
    section: Any = tomllib.loads(text)["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]
    assert set(section["runtimes"]) == {"runc", "runsc", PLAIN_HANDLER}
    assert section["default_runtime_name"] == "runc"


def test_containerd_has_its_own_configuration_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(critestrun, "REMOVED_SECONDS", 0.0)
    fake, given = node(refusing("-remove-left"))
    with pytest.raises(LabError), plain_runsc(given):
        pass
    assert fake.commands[-1].startswith("[ ! -e ")


def test_no_metadata_service_is_left() -> None:
    fake, given = node(refusing("systemd-run"))
    with pytest.raises(LabError), metadata_service(given):
        pass
    assert "ip address del 169.254.169.254/32 dev lo" in fake.commands[-1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ("", 0)),
        ("512\nmax 0", ("512", 0)),
        ("512\nmax 31", ("512", 31)),
        ("max\nmax 0", ("max", 0)),
        ("512", ("512", 0)),
    ],
)
def test_a_limit_of_processes_is_read_with_how_often_it_was_met(
    text: str, found: tuple[str, int]
) -> None:
    assert _pids(node(lambda command: text)[1], "uid") == found


# -- other pods ----------------------------------------------------------------------------------

VICTIM, VICTIMS_MAC = "10.42.2.9", "02:00:00:00:00:09"
ENTRY = f'[{{"dst":"{VICTIM}","lladdr":"{VICTIMS_MAC}","state":["REACHABLE"]}}]'
OTHER = Neighbour(neighbour_pod("edge"), "uid", VICTIM)
ADDRESSED = cast(
    Lab,
    SimpleNamespace(
        topology=SimpleNamespace(
            cluster_link=lambda name: SimpleNamespace(address="10.77.0.11"),
            pod_cidr=lambda name: IPv4Network("10.42.2.0/24"),
        )
    ),
)


def resolving(refused: str = "nothing") -> Callable[[str], str]:
    """A node that knows the victim by its own MAC, and refuses commands with that word."""

    def answer(command: str) -> str:
        refusing(refused)(command)
        return ENTRY if command.startswith("ip -json neigh") else ""

    return answer


@pytest.mark.parametrize("refused", ["nft -f", "nud permanent", "nothing"])
def test_nothing_is_left_of_an_attack_on_the_pod_network(refused: str) -> None:
    fake, given = node(resolving(refused))
    with (
        contextlib.suppress(LabError),
        watched(ADDRESSED, given, OTHER, Deadline.after, defended=True),
    ):
        pass
    removed = [at for at, text in enumerate(fake.commands) if text.startswith(others._REMOVE)][-1]
    assert f"ip neigh del {VICTIM} dev cni0" in fake.commands[removed]
    # Looked up afresh, to see that it is as it was before.
    looked = any(text.startswith("ip -json neigh") for text in fake.commands[removed:])
    assert looked is (refused == "nothing")


def test_a_neighbour_that_stays_deceived_is_the_labs_error() -> None:
    def answer(command: str) -> str:
        looked = sum(text.startswith("ip -json neigh") for text in fake.commands)
        return resolving()(command).replace(":09", ":09" if looked < 2 else ":07")

    fake, given = node(answer)
    with pytest.raises(LabError, match="before"), watched(ADDRESSED, given, OTHER, Deadline.after):
        pass


def test_an_attacker_is_told_what_its_node_looks_for() -> None:
    fake, given = node(resolving())
    with watched(ADDRESSED, given, OTHER, Deadline.after) as watch:
        options = watch.options()
    assert options == (
        *("--neighbour", VICTIM, "--gateway", "10.42.2.1"),
        *("--spoof-to", "10.77.0.11:9", "--mark", watch.mark),
    )
    (rules,) = [text for text in fake.commands if "nft -f" in text]
    assert f"ip saddr {VICTIM} ip daddr 10.77.0.11 udp dport 9 @th,64,32 0x{watch.mark}" in rules
    assert "drop" not in rules


def test_a_node_that_defends_itself_drops_before_it_counts() -> None:
    rules = counting_rules(VICTIM, "10.77.0.11", "00beef01", drop=True)
    assert rules.index("hook prerouting") < rules.index(" drop\n") < rules.index("hook input")
    assert rules.count("0x00beef01") == 2


def test_the_nodes_key_is_found_in_the_kubelets_folder_or_the_stack_cannot(
    topology: Topology,
) -> None:
    for stack in ("kubernetes+openyurt", "kubernetes+kubelet"):
        lab = cast(
            Lab, SimpleNamespace(stack=get_stack(stack), topology=topology, stack_name=stack)
        )
        key = node_key(lab, topology.edges[0].name)
        assert mounted(key) == "/mnt/host/pki/kubelet-client-current.pem"
    with pytest.raises(MissingCapability):
        node_key(lab, "no-such-node")
    with pytest.raises(MissingCapability):
        mounted("/etc/kubeedge/certs/server.key")


def test_no_secret_is_left_and_no_pod_outlives_its_own(topology: Topology) -> None:
    done: list[str] = []

    @contextlib.contextmanager
    def applied(pod: HostilePod) -> Iterator[str]:
        done.append(f"{pod.node} has {pod.secret}")
        try:
            yield "uid"
        finally:
            done.append(f"{pod.node} has none")

    kubectl = SimpleNamespace(
        apply=lambda *args: None,
        delete=lambda kind, name, *args, **more: done.append(f"{name} is gone"),
    )
    lab = cast(Lab, SimpleNamespace(kubectl=kubectl, topology=topology))
    pods = cast(HostilePods, SimpleNamespace(applied=applied))
    own, other = (edge.name for edge in topology.edges[:2])
    with contextlib.suppress(LabError), two_secrets(lab, pods, own, Deadline.after) as secrets:
        raise LabError("refused")
    assert secrets.own != secrets.other
    assert done == [
        f"{other} has {secrets.other}",
        f"{other} has none",
        f"{secrets.other} is gone",
        f"{secrets.own} is gone",
    ]


def test_the_program_has_the_options_that_pods_are_given() -> None:
    _, given = node(resolving())
    with watched(ADDRESSED, given, OTHER, Deadline.after) as watch:
        words = [*watch.options(), *OTHER.process_options("n"), *OTHER.folder_options("/k")]
    words += Secrets("own", "other").options()
    words += ["--node-key", "--request-token", "--api", "--token"]
    source = (IMAGES / "go/hostile/internal/attempt/options.go").read_text(encoding="utf-8")
    lacking = [word for word in words if word.startswith("--") and f'"{word[2:]}"' not in source]
    assert lacking == []


# -- noise -------------------------------------------------------------------------------------


def window(cpus: float = 0.0, mib: float = 5.0, frames: int = 40) -> Window:
    before = Look(0, 0, 0, Load(0.0, 0, 0.0, 0))
    return Window(before, Look(40, 40, 0, Load(40.0, round(cpus * 40e6), mib, frames)))


QUIET = window()


@pytest.mark.parametrize(
    ("noise", "free", "limited"),
    [
        ("cpu", window(cpus=0.8), window(cpus=0.1)),
        ("cache", window(cpus=0.3, mib=270), window(cpus=0.3, mib=120)),
        ("flood", window(frames=4000), None),
    ],
)
def test_noise_that_limits_bound_is_as_it_should_be(
    noise: str, free: Window, limited: Window | None
) -> None:
    found = {test_neighbours.ALONE: QUIET, test_neighbours.FREE: free}
    if limited is not None:
        found[test_neighbours.LIMITED] = limited
    test_neighbours.assert_noise(noise, found)
    with pytest.raises(AssertionError):
        test_neighbours.assert_noise(noise, {**found, test_neighbours.FREE: QUIET})
    if limited is not None:
        with pytest.raises(AssertionError):
            test_neighbours.assert_noise(noise, {**found, test_neighbours.LIMITED: free})
