"""The add-on on each stack: what nodes have, who is let in, and which pods there are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from edge_lab.addons import AddOnContext, find_addon
from edge_lab.addons.base import Stage
from edge_lab.addons.checks import check_addons
from edge_lab.addons.functions.identities import FUNCTIONS_DOMAIN
from edge_lab.addons.functions.names import FUNCTIONS, NAMESPACE, PODS
from edge_lab.addons.functions.ways import OWN_WAYS, capability, ways_of
from edge_lab.probes.endpoint import Reach
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import get_stack, stack_names
from edge_lab.topology import Topology, TopologyProblem
from tests.addons.services.conftest import ContextOf, PlatformOf
from tests.stacks.provisions import files_of, verify

ProvisionsOf = Callable[[str], dict[str, Provision]]
STACK = "kubernetes+openyurt"
KUBEEDGE = "kubernetes+kubeedge"
EDGES = ("edge-arm", "edge-riscv")
HOME = "/etc/edge-lab-functions"
DROP_IN = "60-edge-lab-functions.conf"
ON_EDGES = {f"edge-lab-functions-{name}.service" for name in ("broker", "streams", "activator")}


@pytest.mark.parametrize("stack", stack_names())
def test_each_node_has_its_parts(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf, stack: str
) -> None:
    platform = platform_of(stack)
    wanted, able = platform.units(topology), platform.capabilities(topology)
    ours = {
        name: {unit for unit in provision.units if "functions" in unit}
        for name, provision in provisions_of(stack).items()
    }
    assert ours["server"] == {
        "edge-lab-functions-broker.service",
        "edge-lab-functions-streams.service",
    }
    for edge in EDGES:
        assert ours[edge] == ON_EDGES | {"edge-lab-functions-source.service"}
        assert ours[edge] <= set(wanted[edge])
        ways = {capability(way) for way in ways_of(topology, get_stack(stack))}
        assert {FUNCTIONS, *ways} <= able[edge]
    assert not any(name.startswith(FUNCTIONS) for name in able["server"])


def test_the_function_that_is_a_unit_is_not_started_at_boot(provisions_of: ProvisionsOf) -> None:
    provision = provisions_of(STACK)["edge-arm"]
    assert f"{'/etc/systemd/system'}/edge-lab-functions-process.service" in files_of(provision)
    assert "edge-lab-functions-process.service" not in provision.units


def test_units_are_units(provisions_of: ProvisionsOf, tmp_path: Path) -> None:
    files = files_of(provisions_of(STACK)["edge-arm"])
    ours = {
        Path(path).name: re.sub(r"(?m)^(ExecStart=)\S+", r"\1/bin/true", file.content.decode())
        for path, file in files.items()
        if "edge-lab-functions" in path and path.endswith(".service")
    }
    assert len(ours) == 5
    verify(tmp_path, ours)


def test_a_kubelet_that_reads_drop_ins_looks_for_static_pods(provisions_of: ProvisionsOf) -> None:
    files = files_of(provisions_of(STACK)["edge-arm"])
    (drop_in,) = (file for path, file in files.items() if path.endswith(DROP_IN))
    assert yaml.safe_load(drop_in.content)["staticPodPath"] == PODS
    activator = json.loads(files[f"{HOME}/activator.json"].content)
    by_name = {way["name"]: way for way in activator["ways"]}
    assert set(by_name) == {"process", "pod"}
    assert by_name["pod"]["into"] == f"{PODS}/function.json"
    assert by_name["pod"]["manifest"] in files


def test_one_that_reads_none_has_no_static_pods(
    topology: Topology, provisions_of: ProvisionsOf
) -> None:
    files = files_of(provisions_of(KUBEEDGE)["edge-arm"])
    assert not any(path.endswith((DROP_IN, "/pod.json")) for path in files)
    for part in ("activator", "source"):
        assert "pod" not in files[f"{HOME}/{part}.json"].content.decode().split('"')
    assert [way.name for way in ways_of(topology, get_stack(KUBEEDGE))] == ["warm", "process"]


def test_the_static_pod_needs_nothing_of_the_cluster(provisions_of: ProvisionsOf) -> None:
    """A pod that names a secret, an account or a config map is none that a kubelet starts alone."""
    pod = json.loads(files_of(provisions_of(STACK)["edge-arm"])[f"{HOME}/pod.json"].content)
    assert "{activation}" in pod["metadata"]["annotations"].values()
    assert pod["spec"]["hostNetwork"] is True
    assert [list(volume) for volume in pod["spec"]["volumes"]] == [["name", "hostPath"]]
    assert "serviceAccountName" not in pod["spec"]
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == "Never"


def test_there_is_a_warm_pod_on_each_edge_node(
    platform_of: PlatformOf, context_of: ContextOf
) -> None:
    context: AddOnContext = context_of(platform_of(STACK))
    addon = find_addon(FUNCTIONS)
    (namespace,) = addon.manifests(context, Stage.API_SERVER_UP)
    assert namespace["metadata"]["name"] == NAMESPACE
    pods = addon.manifests(context, Stage.NODES_READY)
    assert [pod["spec"]["nodeName"] for pod in pods] == list(EDGES)
    assert {pod["metadata"]["namespace"] for pod in pods} == {NAMESPACE}
    assert not any(pod["spec"]["automountServiceAccountToken"] for pod in pods)


# -- the device and its limit ---------------------------------------------------------------------


def test_the_source_reads_the_limits_register_of_the_device(provisions_of: ProvisionsOf) -> None:
    files = files_of(provisions_of(STACK)["edge-riscv"])
    config = json.loads(files[f"{HOME}/source.json"].content)
    assert config["devices"] == [{"name": "boiler", "address": "10.78.0.101:502", "unit": 1}]
    (limit,) = config["limits"]
    assert (limit["point"], limit["register"], limit["kind"]) == ("temperature", 2, "uint16")
    assert limit["above"] > limit["again_below"]
    # Two looks at each step.
    assert config["poll_ms"] == 500
    assert config["ways"] == [way.name for way in OWN_WAYS]


def test_a_topology_without_such_a_device_is_refused_with_the_place(topology: Topology) -> None:
    bare = topology.model_copy(
        update={
            "devices": (),
            "links": tuple(link for link in topology.links if link.endpoint != "boiler"),
        }
    )
    with pytest.raises(TopologyProblem) as raised:
        check_addons(bare)
    assert raised.value.loc == ("addons", 1)
    check_addons(topology)


# -- brokers --------------------------------------------------------------------------------------


def test_an_edge_nodes_broker_is_its_own_and_a_leaf_of_the_servers(
    provisions_of: ProvisionsOf,
) -> None:
    provisions = provisions_of(STACK)
    edge = json.loads(files_of(provisions["edge-arm"])[f"{HOME}/broker.json"].content)
    server = json.loads(files_of(provisions["server"])[f"{HOME}/broker.json"].content)
    for config, domain in ((edge, "edge-arm"), (server, "cloud")):
        assert config["jetstream"]["domain"] == domain
        assert config["jetstream"]["sync_interval"] == "always"
        for listens in ("listen", "http"):
            assert config[listens].startswith("127.0.0.1:")
    (remote,) = edge["leafnodes"]["remotes"]
    assert remote["url"] == "tls://10.77.0.1:7422"
    assert remote["deny_imports"] == ["events.>"]
    assert server["leafnodes"]["tls"]["verify"] is True
    assert "listen" not in edge["leafnodes"]


def test_certificates_are_of_an_authority_of_their_own(
    platform_of: PlatformOf, context_of: ContextOf, provisions_of: ProvisionsOf
) -> None:
    pki = context_of(platform_of(STACK)).given.pki
    for name, provision in provisions_of(STACK).items():
        files = files_of(provision)
        shown = x509.load_pem_x509_certificate(files[f"{HOME}/tls.crt"].content)
        shown.verify_directly_issued_by(pki.authority(FUNCTIONS_DOMAIN).certificate)
        assert files[f"{HOME}/tls.key"].mode == 0o600
        alternatives = [
            extension
            for extension in shown.extensions
            if isinstance(extension.value, x509.SubjectAlternativeName)
        ]
        assert bool(alternatives) == (name == "server")


def test_only_the_servers_port_for_leaves_is_on_a_wire(
    topology: Topology, platform_of: PlatformOf
) -> None:
    ours = [
        endpoint
        for endpoint in platform_of(STACK).endpoints(topology)
        if endpoint.name.startswith("edge-lab-functions")
    ]
    wired = [endpoint for endpoint in ours if endpoint.reach is Reach.WIRE]
    assert [endpoint.id for endpoint in wired] == ["server/edge-lab-functions-broker-leaves"]
    assert wired[0].domain is FUNCTIONS_DOMAIN
    assert len(ours) == 1 + 2 * 3


def test_each_broker_dials_the_cloud_and_is_tried_with_a_false_one(
    topology: Topology, platform_of: PlatformOf
) -> None:
    ours = [
        client
        for client in platform_of(STACK).cloud_clients(topology)
        if client.domain is FUNCTIONS_DOMAIN
    ]
    assert {client.node for client in ours} == set(EDGES)
    assert {client.unit for client in ours} == {"edge-lab-functions-broker.service"}
