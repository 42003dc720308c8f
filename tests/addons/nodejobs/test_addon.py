"""The add-on on each stack: what the server has, who is let in, and its rights."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_lab.addons.nodejobs.identities import CLIENT
from edge_lab.addons.nodejobs.jobs import job_phase, node_phases, prepull_job
from edge_lab.addons.nodejobs.manager import KINDS
from edge_lab.addons.nodejobs.names import (
    GROUP,
    HEALTH,
    MANAGER,
    MANAGER_UNIT,
    METRICS_PORT,
    NODE_JOBS,
    SERVES,
)
from edge_lab.addons.nodejobs.rights import RULES, rights
from edge_lab.artifacts.catalog import CATALOG
from edge_lab.core.ports import port_of
from edge_lab.probes.endpoint import Reach
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import stack_names
from edge_lab.topology import Topology
from tests.addons.services.conftest import PlatformOf
from tests.stacks.provisions import after, files_of, flags_of, units_of, verify

ProvisionsOf = Callable[[str], dict[str, Provision]]
STACK = "kubernetes+kubeedge"
OTHERS = tuple(stack for stack in stack_names() if not stack.endswith("+kubeedge"))
OURS = {MANAGER_UNIT, f"{SERVES}.service"}


def test_the_server_has_the_controller_manager_and_nodes_the_capability(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf
) -> None:
    platform, provisions = platform_of(STACK), provisions_of(STACK)
    assert set(provisions["server"].units) >= OURS
    assert set(platform.units(topology)["server"]) >= OURS
    able = platform.capabilities(topology)
    for edge in topology.edges:
        assert not OURS & set(provisions[edge.name].units)
        assert NODE_JOBS in able[edge.name]
    assert NODE_JOBS not in able["server"]


@pytest.mark.parametrize("stack", OTHERS)
def test_on_other_runtimes_it_does_nothing(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf, stack: str
) -> None:
    platform = platform_of(stack)
    assert MANAGER not in {want.component for want in platform.wants(topology)}
    assert not OURS & set(provisions_of(stack)["server"].units)
    assert not any(NODE_JOBS in able for able in platform.capabilities(topology).values())
    names = {endpoint.name for endpoint in platform.endpoints(topology)}
    assert not any(name.startswith(MANAGER) for name in names)


def test_both_task_managers_are_enabled(provisions_of: ProvisionsOf) -> None:
    provisions = provisions_of(STACK)
    for node, file in (("server", "cloudcore"), ("edge-a", "edgecore"), ("edge-b", "edgecore")):
        text = files_of(provisions[node])[f"/etc/kubeedge/config/{file}.yaml"].content
        assert yaml.safe_load(text)["modules"]["taskManager"] == {"enable": True}, node


def test_units_are_units(provisions_of: ProvisionsOf, tmp_path: Path) -> None:
    ours = {
        name: re.sub(r"(?m)^(Exec\w+=)\S+", r"\1/bin/true", text)
        for name, text in units_of(provisions_of(STACK)["server"]).items()
        if name in OURS
    }
    assert set(ours) == OURS
    verify(tmp_path, ours)


def test_it_waits_for_its_kinds_and_has_its_own_certificate(provisions_of: ProvisionsOf) -> None:
    provision = provisions_of(STACK)["server"]
    unit, files = units_of(provision)[MANAGER_UNIT], files_of(provision)
    (waiting,) = [line for line in unit.splitlines() if "kinds.py" in line]
    assert all(kind in waiting for kind in KINDS)
    assert "systemd-networkd.service" in after(unit)
    (place,) = re.findall(r"KUBECONFIG=([^\s\"]+)", unit)
    config = yaml.safe_load(files[place].content)
    key = config["users"][0]["user"]["client-key"]
    assert files[key].mode == files[place].mode == 0o600


def test_its_metrics_alone_are_on_a_wire(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf
) -> None:
    endpoints = platform_of(STACK).endpoints(topology)
    ours = {found.port: found.reach for found in endpoints if found.name.startswith(MANAGER)}
    assert ours == {METRICS_PORT: Reach.WIRE, port_of(HEALTH): Reach.LOOPBACK}
    others = {
        found.port
        for found in endpoints
        if found.node == "server" and not found.name.startswith(MANAGER)
    }
    assert not set(ours) & others
    flags = flags_of(units_of(provisions_of(STACK)["server"])[MANAGER_UNIT])
    assert flags == {"health-probe-bind-address": HEALTH}


def test_its_certificate_is_known_to_who_replaces_certificates(
    topology: Topology, platform_of: PlatformOf
) -> None:
    platform = platform_of(STACK)
    assert MANAGER_UNIT in {held.unit for held in platform.further_certificates(topology)}
    trusting = {unit for bundle in platform.trust_bundles(topology) for unit in bundle.units}
    assert MANAGER_UNIT in trusting


def test_it_changes_jobs_alone() -> None:
    for rule in RULES:
        if rule["apiGroups"] != [GROUP]:
            assert set(rule["verbs"]) <= {"get", "list", "watch"}, rule
    for manifest in rights():
        if manifest["kind"].endswith("Binding"):
            assert [subject["name"] for subject in manifest["subjects"]] == [CLIENT.user]


def test_the_controller_manager_is_of_cloudcores_version() -> None:
    assert CATALOG[MANAGER].version == CATALOG["cloudcore"].version


def test_phases_of_a_job() -> None:
    job = prepull_job("j", ("edge-a", "edge-b"), ("image",), timeout_s=60)
    assert job["spec"]["imagePrePullTemplate"]["concurrency"] == 1
    assert (job_phase(job), node_phases(job)) == ("", {})
    seen: dict[str, Any] = {
        "phase": "InProgress",
        "nodeStatus": [{"nodeName": "edge-a", "phase": "Pending"}, {"nodeName": "edge-b"}],
    }
    assert job_phase({**job, "status": seen}) == "InProgress"
    assert node_phases({**job, "status": seen}) == {"edge-a": "Pending"}
