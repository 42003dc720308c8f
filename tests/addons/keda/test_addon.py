"""The add-on on each stack: what the server and the nodes have, who is let in, and its rights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from edge_lab.addons import AddOnContext, find_addon, get_platform, load_topology
from edge_lab.addons.base import Stage
from edge_lab.addons.functions.names import FUNCTIONS, MONITOR_PORT, NAMESPACE
from edge_lab.addons.functions.ways import KEDA, OWN_WAYS, WAYS, capability, ways_of
from edge_lab.addons.keda.identities import CLIENT
from edge_lab.addons.keda.names import CRDS, FUNCTIONS_KEDA, OPERATOR, OPERATOR_UNIT, SERVES
from edge_lab.addons.keda.objects import CONSUMER, STREAM
from edge_lab.addons.keda.operator import KINDS
from edge_lab.addons.keda.rights import CLUSTER_RULES, FUNCTION_RULES, SECRET_RULES, rights
from edge_lab.artifacts.catalog import CATALOG
from edge_lab.core.errors import InputError
from edge_lab.data import IMAGES, LABS
from edge_lab.probes.endpoint import Reach
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import get_stack, stack_names
from edge_lab.topology import Topology
from tests.addons.services.conftest import ContextOf, PlatformOf
from tests.stacks.provisions import after, files_of, flags_of, units_of, verify

ProvisionsOf = Callable[[str], dict[str, Provision]]
STACK = "kubernetes+openyurt"
EDGE = "edge-arm"
OURS = {OPERATOR_UNIT, f"{SERVES}.service"}


@pytest.mark.parametrize("stack", stack_names())
def test_the_server_has_the_operator_and_the_node_one_more_way(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf, stack: str
) -> None:
    platform, provisions = platform_of(stack), provisions_of(stack)
    assert set(provisions["server"].units) >= OURS
    assert not OURS & set(provisions[EDGE].units)
    assert set(platform.units(topology)["server"]) >= OURS
    able = platform.capabilities(topology)
    assert {FUNCTIONS, FUNCTIONS_KEDA} <= able[EDGE]
    assert capability(KEDA) == FUNCTIONS_KEDA
    assert FUNCTIONS_KEDA not in able["server"]


def test_events_go_to_keda_in_turn_and_its_function_is_not_the_activators(
    topology: Topology, provisions_of: ProvisionsOf
) -> None:
    files = files_of(provisions_of(STACK)[EDGE])
    folder = "/etc/edge-lab-functions"
    assert json.loads(files[f"{folder}/source.json"].content)["ways"] == list(WAYS)
    woken = json.loads(files[f"{folder}/activator.json"].content)["ways"]
    assert [way["name"] for way in woken] == ["process", "pod"]
    assert KEDA in ways_of(topology, get_stack(STACK))


def test_only_with_the_addon_the_brokers_monitor_is_on_a_wire(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf
) -> None:
    file = "/etc/edge-lab-functions/broker.json"
    listens = {
        name: json.loads(files_of(provision)[file].content)["http"]
        for name, provision in provisions_of(STACK).items()
    }
    assert listens == {EDGE: f"0.0.0.0:{MONITOR_PORT}", "server": f"127.0.0.1:{MONITOR_PORT}"}

    def reached(asked: Topology) -> dict[str, Reach]:
        endpoints = get_platform(STACK, asked).endpoints(asked)
        return {found.node: found.reach for found in endpoints if found.port == MONITOR_PORT}

    assert reached(topology) == {EDGE: Reach.WIRE, "server": Reach.LOOPBACK}
    plain = load_topology(LABS / "edge-functions.yaml")
    assert set(reached(plain).values()) == {Reach.LOOPBACK}


def test_labs_without_it_pay_nothing(topology: Topology) -> None:
    without = topology.model_copy(update={"addons": ("workload", FUNCTIONS)})
    platform = get_platform(STACK, without)
    assert not {OPERATOR, CRDS} & {want.component for want in platform.wants(without)}
    assert ways_of(without, get_stack(STACK)) == OWN_WAYS


def test_it_needs_functions(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    text = (LABS / "edge-keda.yaml").read_text()
    file.write_text(text.replace("[workload, functions, functions-keda]", "[functions-keda]"))
    with pytest.raises(InputError, match="'functions-keda' needs the add-on 'functions'"):
        load_topology(file)


# -- the operator ---------------------------------------------------------------------------------


def test_units_are_units(provisions_of: ProvisionsOf, tmp_path: Path) -> None:
    ours = {
        name: re.sub(r"(?m)^(Exec\w+=)\S+", r"\1/bin/true", text)
        for name, text in units_of(provisions_of(STACK)["server"]).items()
        if name in OURS
    }
    assert len(ours) == 2
    verify(tmp_path, ours)


def test_the_operator_waits_for_its_kinds_and_patches_nothing(provisions_of: ProvisionsOf) -> None:
    provision = provisions_of(STACK)["server"]
    unit, files = units_of(provision)[OPERATOR_UNIT], files_of(provision)
    flags = flags_of(unit)
    for name in ("leader-elect", "enable-cert-rotation"):
        assert flags[name] == "false"
    for name in ("enable-webhook-patching", "enable-apiservice-patching"):
        assert flags[name] == "false"
    assert f"WATCH_NAMESPACE={NAMESPACE}" in unit
    (waiting,) = [line for line in unit.splitlines() if "kinds.py" in line]
    assert all(kind in waiting for kind in KINDS)
    assert "systemd-networkd.service" in after(unit)
    config = yaml.safe_load(files[flags["kubeconfig"]].content)
    key = config["users"][0]["user"]["client-key"]
    assert files[key].mode == files[flags["kubeconfig"]].mode == 0o600
    for name in ("ca.crt", "tls.crt", "tls.key"):
        assert f"{flags['cert-dir']}/{name}" in files


def test_none_of_its_ports_is_on_a_wire(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf
) -> None:
    endpoints = platform_of(STACK).endpoints(topology)
    ours = {found.port for found in endpoints if found.name.startswith(OPERATOR)}
    assert {found.reach for found in endpoints if found.port in ours} == {Reach.LOOPBACK}
    others = {found.port for found in endpoints if found.node == "server"} - ours
    assert len(ours) == 3
    flags = flags_of(units_of(provisions_of(STACK)["server"])[OPERATOR_UNIT])
    listens = {value for name, value in flags.items() if name.endswith("bind-address")}
    assert {int(address.removeprefix("127.0.0.1:")) for address in listens} == ours
    assert not ours & others


def test_its_certificate_is_known_to_who_replaces_certificates(
    topology: Topology, platform_of: PlatformOf
) -> None:
    platform = platform_of(STACK)
    assert OPERATOR_UNIT in {held.unit for held in platform.further_certificates(topology)}
    trusting = {unit for bundle in platform.trust_bundles(topology) for unit in bundle.units}
    assert OPERATOR_UNIT in trusting


def test_it_changes_scales_and_its_own_kinds_in_the_namespace_of_functions_alone() -> None:
    for rule in (*CLUSTER_RULES, *SECRET_RULES):
        assert set(rule["verbs"]) <= {"get", "list", "watch"}, rule
    changed = {
        resource
        for rule in FUNCTION_RULES
        if {"patch", "update"} & set(rule["verbs"])
        for resource in rule["resources"]
    }
    assert changed == {
        "scaledobjects",
        "scaledobjects/status",
        "scaledobjects/finalizers",
        "deployments/scale",
        "horizontalpodautoscalers",
        "events",
    }
    for manifest in rights():
        if manifest["kind"].endswith("Binding"):
            assert [subject["name"] for subject in manifest["subjects"]] == [CLIENT.user]


# -- objects --------------------------------------------------------------------------------------


def test_each_node_has_a_deployment_and_keda_asks_its_broker(
    platform_of: PlatformOf, context_of: ContextOf
) -> None:
    context: AddOnContext = context_of(platform_of(STACK))
    addon = find_addon(FUNCTIONS_KEDA)
    deployment, scaled = addon.manifests(context, Stage.NODES_READY)
    pod = deployment["spec"]["template"]
    assert (deployment["spec"]["replicas"], pod["spec"]["nodeName"]) == (0, EDGE)
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector.items() <= pod["metadata"]["labels"].items()
    assert pod["spec"]["containers"][0]["args"][:3] == ["handle", "--way", "keda"]
    assert scaled["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert (scaled["spec"]["minReplicaCount"], scaled["spec"]["maxReplicaCount"]) == (0, 1)
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["metadata"]["natsServerMonitoringEndpoint"] == f"10.77.0.11:{MONITOR_PORT}"
    assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_the_stream_and_the_consumer_are_those_of_the_program() -> None:
    text = (IMAGES / "go/functions/internal/events/events.go").read_text()
    assert f'const Stream = "{STREAM}"' in text
    prefix = CONSUMER.removesuffix(KEDA.name)
    assert f'return "{prefix}" + way' in text


def test_operator_and_kinds_are_of_one_version() -> None:
    version = CATALOG[OPERATOR].version
    assert CATALOG[CRDS].version == version
    text = (IMAGES / "go/keda/go.mod").read_text()
    assert f"github.com/kedacore/keda/v2 {version}" in text
