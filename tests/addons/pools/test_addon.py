"""The add-on on each stack: what nodes have, who may do what, and what the cluster gets."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_lab.addons import get_platform, load_topology
from edge_lab.addons.base import Stage
from edge_lab.addons.pools.hub import DROP_IN, hub_pool_command
from edge_lab.addons.pools.identities import CLIENT
from edge_lab.addons.pools.manager import KINDS
from edge_lab.addons.pools.membership import pools_of
from edge_lab.addons.pools.names import (
    ACCOUNTS,
    CRDS,
    EVERYWHERE,
    HOME,
    MANAGER_NAMESPACE,
    NAMESPACE,
    POOL_LABEL,
    POOLS,
    SERVES,
    SITE,
    TOPOLOGY_ANNOTATION,
    WEBHOOK_PORT,
    WITNESS_UNIT,
    YURT_MANAGER,
    YURT_MANAGER_UNIT,
)
from edge_lab.addons.pools.objects import (
    CONFIGURATION_PATH,
    UNCONFIGURED,
    definitions,
    first_objects,
    yurt_app_set,
)
from edge_lab.addons.pools.rights import APP_SET_RULES, MANAGER_RULES, NODE_POOL_RULES, rights
from edge_lab.artifacts import Want, host_arch
from edge_lab.artifacts.catalog import CATALOG
from edge_lab.cluster.labels import REGION_LABEL, own_labels
from edge_lab.core.errors import InputError
from edge_lab.data import IMAGES, LABS
from edge_lab.probes.endpoint import Reach
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import stack_names
from edge_lab.topology import Arch, Topology
from tests.addons.services.conftest import ContextOf, PlatformOf
from tests.stacks.provisions import after, files_of, flags_of, units_of, verify

ProvisionsOf = Callable[[str], dict[str, Provision]]
STACK = "kubernetes+openyurt"
PARTS = {"edge-arm": "north", "edge-riscv": "south"}
OURS = (YURT_MANAGER_UNIT, f"{SERVES}.service")


def hub_flags(provision: Provision) -> dict[str, str]:
    """Of the drop-in, whose first ExecStart is empty."""
    text = files_of(provision)[DROP_IN].content.decode()
    assert text.startswith("[Service]\nExecStart=\nExecStart=")
    return flags_of(text.replace("ExecStart=\n", "", 1))


def test_the_server_has_yurt_manager_and_edge_nodes_have_their_pool(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf
) -> None:
    platform, provisions = platform_of(STACK), provisions_of(STACK)
    wanted, able = platform.units(topology), platform.capabilities(topology)
    assert set(OURS) <= set(wanted["server"])
    assert set(OURS) <= set(provisions["server"].units)
    assert POOLS not in able["server"]
    for edge, pool in PARTS.items():
        assert WITNESS_UNIT in wanted[edge]
        assert WITNESS_UNIT in provisions[edge].units
        assert POOLS in able[edge]
        assert hub_flags(provisions[edge])["nodepool-name"] == pool


@pytest.mark.parametrize("stack", [name for name in stack_names() if "openyurt" not in name])
def test_elsewhere_it_does_nothing(topology: Topology, stack: str) -> None:
    platform = get_platform(stack, topology)
    assert not {YURT_MANAGER, CRDS} & {want.component for want in platform.wants(topology)}
    assert not any(POOLS in found for found in platform.capabilities(topology).values())
    units = {unit for found in platform.units(topology).values() for unit in found}
    assert not {*OURS, WITNESS_UNIT} & units
    assert not any(found.name.startswith(YURT_MANAGER) for found in platform.endpoints(topology))


def test_the_drop_in_changes_only_pool_and_filters(provisions_of: ProvisionsOf) -> None:
    for edge in PARTS:
        provision = provisions_of(STACK)[edge]
        unit = flags_of(units_of(provision)["yurthub.service"])
        ours = hub_flags(provision)
        assert unit.pop("enable-resource-filter") == "false"
        assert ours.pop("enable-pool-service-topology") == "true"
        assert "servicetopology" not in ours.pop("disabled-resource-filters")
        assert {**unit, "nodepool-name": PARTS[edge]} == ours


def test_yurthub_is_told_of_another_pool_once(
    provisions_of: ProvisionsOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_in = tmp_path / "drop-in.conf"
    drop_in.write_bytes(files_of(provisions_of(STACK)["edge-arm"])[DROP_IN].content)
    before = drop_in.read_text()
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f"#!/bin/sh\necho $* >>{tmp_path}/calls\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    for pool in ("north", "south", "south"):
        command = hub_pool_command(pool).replace(DROP_IN, str(drop_in))
        subprocess.run(["sh", "-c", command], check=True)
    assert drop_in.read_text() == before.replace("=north ", "=south ")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["daemon-reload", "restart yurthub.service"]


def test_units_are_units(provisions_of: ProvisionsOf, tmp_path: Path) -> None:
    provisions = provisions_of(STACK)
    texts = {**units_of(provisions["server"]), **units_of(provisions["edge-arm"])}
    ours = {
        name: re.sub(r"(?m)^(Exec\w+=)\S+", r"\1/bin/true", text)
        for name, text in texts.items()
        if name in (*OURS, WITNESS_UNIT)
    }
    assert len(ours) == 3
    verify(tmp_path, ours)


def test_yurt_manager_waits_for_its_kinds_and_needs_no_certificate_by_hand(
    provisions_of: ProvisionsOf,
) -> None:
    provision = provisions_of(STACK)["server"]
    unit, files = units_of(provision)[YURT_MANAGER_UNIT], files_of(provision)
    flags = flags_of(unit)
    assert flags["controllers"] == "nodepool,nodebucket,yurtappset"
    assert flags["disable-independent-webhooks"] == "*"
    assert flags["metrics-addr"].startswith("127.0.0.1:")
    assert flags["health-probe-addr"].startswith("127.0.0.1:")
    assert "WEBHOOK_CERT_WRITER=fs" in unit
    (waiting,) = [line for line in unit.splitlines() if "kinds.py" in line]
    assert all(kind in waiting for kind in KINDS)
    assert "systemd-networkd.service" in after(unit)
    config = yaml.safe_load(files[flags["kubeconfig"]].content)
    user = config["users"][0]["user"]
    assert files[user["client-key"]].mode == files[flags["kubeconfig"]].mode == 0o600
    assert user["client-key"].startswith(HOME)


def test_its_webhook_port_alone_is_on_a_wire(topology: Topology, platform_of: PlatformOf) -> None:
    endpoints = platform_of(STACK).endpoints(topology)
    ours = [found for found in endpoints if found.name.startswith(YURT_MANAGER)]
    assert [found.port for found in ours if found.reach is Reach.WIRE] == [WEBHOOK_PORT]
    assert len(ours) == 3
    others = {found.port for found in endpoints if found.node == "server" and found not in ours}
    assert not others & {found.port for found in ours}


def test_its_certificate_is_known_to_who_replaces_certificates(
    topology: Topology, platform_of: PlatformOf
) -> None:
    platform = platform_of(STACK)
    assert YURT_MANAGER_UNIT in {held.unit for held in platform.further_certificates(topology)}
    trusting = {unit for bundle in platform.trust_bundles(topology) for unit in bundle.units}
    assert YURT_MANAGER_UNIT in trusting


# -- rights ----------------------------------------------------------------------------------------


def test_with_its_certificate_it_changes_nothing_but_events() -> None:
    for rule in MANAGER_RULES:
        if rule["resources"] != ["events"]:
            assert set(rule["verbs"]) <= {"get", "list", "watch"}, rule
    assert not any("secrets" in rule["resources"] for rule in MANAGER_RULES)


def test_each_controller_writes_its_own_kinds_where_they_are() -> None:
    written = {resource for rule in NODE_POOL_RULES for resource in rule["resources"]}
    assert written == {"nodes", "nodepools", "nodepools/status"}
    for rule in APP_SET_RULES:
        assert "nodes" not in rule["resources"]
    places = {
        manifest["metadata"]["name"]: manifest["metadata"].get("namespace", "")
        for manifest in rights()
        if manifest["kind"].endswith("RoleBinding")
        and "serviceaccount:" in manifest["subjects"][0]["name"]
    }
    assert places == {
        ACCOUNTS["nodepool"]: "",
        ACCOUNTS["nodebucket"]: "",
        ACCOUNTS["yurtappset"]: NAMESPACE,
    }


def test_it_gets_tokens_of_its_accounts_alone() -> None:
    found = rights()
    accounts = [manifest for manifest in found if manifest["kind"] == "ServiceAccount"]
    assert {manifest["metadata"]["name"] for manifest in accounts} == set(ACCOUNTS.values())
    (role,) = [
        manifest
        for manifest in found
        if manifest["kind"] == "Role" and manifest["metadata"]["namespace"] == MANAGER_NAMESPACE
    ]
    assert all(set(rule["resourceNames"]) == set(ACCOUNTS.values()) for rule in role["rules"])
    bound = {
        manifest["subjects"][0]["name"]
        for manifest in found
        if manifest["kind"].endswith("Binding") and manifest["metadata"]["name"] == YURT_MANAGER
    }
    assert bound == {CLIENT.user}


# -- objects ---------------------------------------------------------------------------------------


def test_only_stored_versions_are_left_which_need_no_conversion(kinds: Path) -> None:
    found = definitions(kinds)
    left = {
        manifest["metadata"]["name"]: [version["name"] for version in manifest["spec"]["versions"]]
        for manifest in found
    }
    assert left == {
        "nodebuckets.apps.openyurt.io": ["v1alpha1"],
        "nodepools.apps.openyurt.io": ["v1beta2"],
        "yurtappsets.apps.openyurt.io": ["v1beta1"],
    }
    assert all(manifest["spec"]["conversion"] == {"strategy": "None"} for manifest in found)


def test_objects_of_each_stage(
    topology: Topology, platform_of: PlatformOf, context_of: ContextOf
) -> None:
    platform = platform_of(STACK)
    given = context_of(platform).given
    early = platform.manifests(given, Stage.API_SERVER_UP)[POOLS]
    late = platform.manifests(given, Stage.NODES_READY)[POOLS]
    assert [manifest["kind"] for manifest in early[:3]] == ["CustomResourceDefinition"] * 3
    assert late == first_objects(pools_of(topology))


def resolved(app_set: Mapping[str, Any], pool: str) -> dict[str, Any]:
    """The Deployment for a pool: what yurt-manager makes of template and tweaks."""
    workload = app_set["spec"]["workload"]
    deployment: dict[str, Any] = yaml.safe_load(
        yaml.safe_dump(workload["workloadTemplate"]["deploymentTemplate"])
    )
    for entry in workload["workloadTweaks"]:
        if pool in entry["pools"]:
            deployment["spec"]["replicas"] = entry["tweaks"]["replicas"]
            for patch in entry["tweaks"]["patches"]:
                *path, last = patch["path"].strip("/").split("/")
                at: Any = deployment
                for key in path:
                    at = at[int(key)] if isinstance(at, list) else at[key]
                assert (int(last) if isinstance(at, list) else last) in (
                    range(len(at)) if isinstance(at, list) else at
                )
                at[int(last) if isinstance(at, list) else last] = patch["value"]
    return deployment


def test_each_pool_has_its_own_configuration_and_one_pod_for_each_node() -> None:
    app_set = yurt_app_set({"north": "north-1", "south": "south-1"}, {"north": 1, "south": 2})
    for pool, replicas in (("north", 1), ("south", 2)):
        deployment = resolved(app_set, pool)
        command = deployment["spec"]["template"]["spec"]["containers"][0]["command"]
        assert command == ["/edge", "pause", f"part={SITE}", f"revision={pool}-1"]
        assert deployment["spec"]["replicas"] == replicas
    elsewhere = resolved(app_set, "west")["spec"]["template"]["spec"]["containers"][0]["command"]
    assert elsewhere[-1] == f"revision={UNCONFIGURED}"
    assert CONFIGURATION_PATH.endswith("/command/3")


def test_one_of_two_services_stays_in_its_pool(topology: Topology) -> None:
    objects = first_objects(pools_of(topology))
    services = {
        manifest["metadata"]["name"]: manifest
        for manifest in objects
        if manifest["kind"] == "Service"
    }
    annotations = {name: manifest["metadata"]["annotations"] for name, manifest in services.items()}
    assert annotations == {SITE: {TOPOLOGY_ANNOTATION: "openyurt.io/nodepool"}, EVERYWHERE: {}}
    assert services[SITE]["spec"] == services[EVERYWHERE]["spec"]
    pools = [manifest for manifest in objects if manifest["kind"] == "NodePool"]
    assert [pool["spec"]["labels"][REGION_LABEL] for pool in pools] == ["north", "south"]


# -- topologies ------------------------------------------------------------------------------------


def test_the_pool_of_a_node_is_its_label(topology: Topology) -> None:
    assert pools_of(topology) == {"north": ("edge-arm",), "south": ("edge-riscv",)}
    for node in topology.edges:
        assert own_labels(node)[POOL_LABEL] == PARTS[node.name]


def test_a_topology_without_pools_is_refused(tmp_path: Path) -> None:
    text = (LABS / "edge-pools.yaml").read_text()
    file = tmp_path / "lab.yaml"
    file.write_text(re.sub(r"(?m)^ +labels: .*\n", "", text))
    with pytest.raises(InputError, match="no edge node is in a node pool"):
        load_topology(file)


# -- components ------------------------------------------------------------------------------------


def test_both_are_of_one_version_of_openyurt(topology: Topology) -> None:
    version = CATALOG["yurthub"].version
    text = (IMAGES / "go" / "yurt-manager" / "go.mod").read_text()
    assert f"github.com/openyurtio/openyurt {version}" in text
    assert CATALOG[YURT_MANAGER].version == CATALOG[CRDS].version == version
    hub = (IMAGES / "go" / "yurthub" / "go.mod").read_text()
    assert hub[hub.index("replace (") :] == text[text.index("replace (") :]
    wants = get_platform(STACK, topology).wants(topology)
    assert {Want(YURT_MANAGER, Arch.X86_64), Want(CRDS, host_arch())} <= set(wants)


def test_labs_without_it_pay_nothing(topology: Topology) -> None:
    without = topology.model_copy(update={"addons": ("workload", "services")})
    platform = get_platform(STACK, without)
    assert not {YURT_MANAGER, CRDS} & {want.component for want in platform.wants(without)}
    assert not any(found.name.startswith(YURT_MANAGER) for found in platform.endpoints(without))
