"""What edgecore and cloudcore are told, and how the token comes to a node."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from edge_lab.cluster.access import ClusterAccess
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.pki import CLUSTER
from edge_lab.stacks import Capability, get_stack
from edge_lab.stacks.kubeedge import (
    ALLOWED,
    BOOTSTRAP_TOKEN,
    KubeEdge,
    cloudcore_config,
    cloudcore_rights,
    edgecore_config,
)
from edge_lab.topology import Taint, Topology, load_topology
from tests.keys import keys_made_once
from tests.stacks.provisions import DEFAULT


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology(DEFAULT)


def edge(topology: Topology, node: str = "edge-riscv") -> dict[str, Any]:
    document = yaml.safe_load(edgecore_config(topology, topology.node(node)))
    assert document["kind"] == "EdgeCore"
    modules: dict[str, Any] = document["modules"]
    return modules


def cloud(topology: Topology) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(cloudcore_config(topology))
    assert document["kind"] == "CloudCore"
    return document


def test_a_node_knows_its_cloud_by_the_wire(topology: Topology) -> None:
    hub = edge(topology)["edgeHub"]
    assert hub["httpServer"] == "https://10.77.0.1:10002"
    assert hub["websocket"] == {"enable": True, "server": "10.77.0.1:10000"}
    assert "token" not in hub, "the token comes when cloudcore has made it"


def test_cloudcore_advertises_the_address_that_the_nodes_dial(topology: Topology) -> None:
    hub = cloud(topology)["modules"]["cloudHub"]
    assert hub["advertiseAddress"] == ["10.77.0.1"]
    assert (hub["websocket"]["port"], hub["https"]["port"]) == (10000, 10002)


def test_the_cloud_waits_for_two_keepalives(
    topology: Topology,
) -> None:
    beat = edge(topology)["edgeHub"]["heartbeat"]
    assert beat == round(topology.timing.edge_heartbeat)
    assert cloud(topology)["modules"]["cloudHub"]["keepaliveInterval"] == 2 * beat


def test_a_node_is_called_what_the_topology_calls_it(topology: Topology) -> None:
    edged = edge(topology)["edged"]
    assert edged["hostnameOverride"] == "edge-riscv"
    assert edged["nodeIP"] == "10.77.0.12"
    assert edged["nodeLabels"] == {"edge-lab.local/role": "edge", "site": "south"}


def test_timing_and_taints_reach_the_kubelet_inside(topology: Topology) -> None:
    kubelet = edge(topology)["edged"]["tailoredKubeletConfig"]
    assert kubelet["nodeLeaseDurationSeconds"] == round(topology.timing.node_lease)
    assert "registerWithTaints" not in kubelet
    tainted = topology.node("edge-riscv").model_copy(
        update={"taints": (Taint(key="away", value="yes", effect="NoSchedule"),)}
    )
    document = yaml.safe_load(edgecore_config(topology, tainted))
    assert document["modules"]["edged"]["tailoredKubeletConfig"]["registerWithTaints"] == [
        {"key": "away", "value": "yes", "effect": "NoSchedule"}
    ]


def test_cloudcore_may_write_down_the_status_of_devices() -> None:
    role, binding = cloudcore_rights()
    rules = [rule for rule in role["rules"] if "devices.kubeedge.io" in rule["apiGroups"]]
    assert any("*" in rule["resources"] and "update" in rule["verbs"] for rule in rules)
    assert binding["subjects"][0]["name"] == "edge-lab:cloudcore"


def test_the_certificate_of_cloudcore_is_the_one_with_the_rights(
    topology: Topology, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pki = keys_made_once(tmp_path_factory.mktemp("pki") / "keys", topology)
    subject = pki.identity(CLUSTER, "cloudcore").certificate.subject.rfc4514_string()
    assert subject == "CN=edge-lab:cloudcore"


def test_it_says_what_it_cannot_do() -> None:
    lacks = set(Capability) - get_stack("kubernetes+kubeedge").capabilities
    assert lacks == {Capability.EXEC, Capability.RUNTIME_CLASS}


# -- joining -------------------------------------------------------------------------------


class Secrets:
    """A kubectl that finds a secret at its third look."""

    def __init__(self, found: Iterator[dict[str, Any] | None]) -> None:
        self.found = found

    def find(self, kind: str, name: str, *args: str, deadline: Deadline) -> Any:
        assert (kind, name, *args) == ("secret", "tokensecret", "-n", "kubeedge")
        return next(self.found)


class Server:
    """The server node's shell."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def run(self, command: str, deadline: Deadline, check: bool = True) -> Any:
        self.ran.append(command)


def cluster(topology: Topology, found: Iterator[dict[str, Any] | None]) -> ClusterAccess:
    kubectl: Any = Secrets(found)
    return ClusterAccess(kubectl, {"server": Server()}, topology)


def test_the_token_is_waited_for_and_goes_to_the_node_as_a_secret_file(topology: Topology) -> None:
    secret = {"data": {"tokendata": base64.b64encode(b"abc.def").decode()}}
    access = cluster(topology, iter([None, None, secret]))
    (file,) = KubeEdge().admission(access, Deadline.after(10))
    server: Any = access.machines["server"]
    assert server.ran == [f"install -d -m 0700 /var/lib/kubeedge && touch {ALLOWED}"]
    assert (file.path, file.content, file.mode) == (BOOTSTRAP_TOKEN, b"abc.def", 0o600)


def test_a_cloudcore_that_makes_no_token_ends_the_wait(topology: Topology) -> None:
    def never() -> Iterator[None]:
        while True:
            yield None

    with pytest.raises(DeadlineExceeded, match="cloudcore has created the join token"):
        KubeEdge().admission(cluster(topology, never()), Deadline.after(0.2))


def test_a_cloudcore_that_failed_is_said_at_once(topology: Topology) -> None:
    def lost() -> None:
        raise LabError("cloudcore.service on server has failed")

    kubectl: Any = Secrets(iter([None]))
    access = ClusterAccess(kubectl, {"server": Server()}, topology, watch=lost)
    with pytest.raises(LabError, match=r"cloudcore\.service on server has failed"):
        KubeEdge().admission(access, Deadline.after(10))
