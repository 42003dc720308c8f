"""Hostile pods as manifests, and the add-on that brings their image."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from edge_lab.addons import AddOnContext, find_addon
from edge_lab.addons.hostile.addon import PIDS_LIMIT
from edge_lab.addons.hostile.image import HOSTILE_IMAGE, HOSTILE_PROGRAM, IMAGE
from edge_lab.addons.hostile.pods import (
    MOUNT,
    PERMISSION,
    HostFolder,
    attempts_pod,
    bomb_pod,
    facts_pod,
    runtime_class_of,
)
from edge_lab.addons.hostile.settings import RUNTIME_CLASS, Setting
from edge_lab.artifacts import CATALOG
from edge_lab.data import IMAGES
from edge_lab.stacks import get_stack
from edge_lab.stacks.kubelet import DROP_INS
from edge_lab.topology import Topology
from tests.stacks.provisions import ContextFor


def test_the_addon_brings_the_image(topology: Topology) -> None:
    assert find_addon("hostile").images(topology) == (HOSTILE_IMAGE,)
    assert HOSTILE_PROGRAM in CATALOG


@pytest.mark.parametrize("setting", list(Setting), ids=str)
def test_a_pod_runs_once_and_may_try(setting: Setting) -> None:
    pod = attempts_pod("edge-arm", setting, None).manifest()
    spec = pod["spec"]
    (container,) = spec["containers"]
    assert (spec["restartPolicy"], spec["nodeName"]) == ("Never", "edge-arm")
    assert spec["automountServiceAccountToken"] is False
    assert container["image"] == IMAGE
    assert {"name": PERMISSION[0], "value": PERMISSION[1]} in container["env"]
    assert "runtimeClassName" not in spec
    privileged = container["securityContext"].get("privileged", False)
    assert privileged is ("privileged" in setting)


def test_the_program_wants_the_variable_that_pods_have() -> None:
    source = (IMAGES / "go/hostile/main.go").read_text(encoding="utf-8")
    assert all(f'"{word}"' in source for word in PERMISSION)


def test_only_sandboxed_settings_ask_for_the_runtime_class_where_it_is_resolved() -> None:
    asking = {
        setting for setting in Setting if runtime_class_of(setting, resolved=True) == RUNTIME_CLASS
    }
    assert asking == {Setting.GVISOR_DEFAULT, Setting.GVISOR_PRIVILEGED}
    assert {runtime_class_of(setting, resolved=False) for setting in Setting} == {None}
    spec = facts_pod("edge-arm", Setting.GVISOR_DEFAULT, RUNTIME_CLASS).manifest()["spec"]
    assert spec["runtimeClassName"] == RUNTIME_CLASS


def test_names_are_of_the_pod_alone_and_fit_kubernetes() -> None:
    pods = [
        attempts_pod("edge-arm", setting, None, what=what)
        for setting in Setting
        for what in ("a", "b")
    ]
    names = {pod.name for pod in pods}
    assert len(names) == len(pods)
    assert all(name.replace("-", "").isalnum() and name.islower() for name in names)


def test_folders_of_the_node_are_mounted_where_the_program_is_told() -> None:
    folders = (HostFolder("/var/x"), HostFolder("/run/y", "/mnt/y"))
    pod = attempts_pod("edge-arm", Setting.RUNC_DEFAULT, None, host_folders=folders).manifest()
    (container,) = pod["spec"]["containers"]
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod["spec"]["volumes"]}
    mounts = {mount["mountPath"]: paths[mount["name"]] for mount in container["volumeMounts"]}
    assert mounts == {MOUNT: "/var/x", "/mnt/y": "/run/y"}


def test_a_secret_is_a_volume_beside_a_folder_of_the_node() -> None:
    more: dict[str, Any] = {"secret": "s", "host_folders": (HostFolder("/var/x"),)}
    pod = attempts_pod("edge-arm", Setting.RUNC_DEFAULT, None, **more).manifest()
    (container,) = pod["spec"]["containers"]
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    assert volumes["secret"]["secret"] == {"secretName": "s"}
    assert volumes["host-0"]["hostPath"]["path"] == "/var/x"


def limits_of(**more: Any) -> dict[str, str]:
    pod = bomb_pod("edge-arm", Setting.RUNC_DEFAULT, None, "disk", 9, **more).manifest()
    found: dict[str, str] = pod["spec"]["containers"][0]["resources"]["limits"]
    return found


def test_a_pod_has_the_limits_that_it_is_given_and_no_others() -> None:
    assert limits_of() == {"memory": "256Mi"}
    assert limits_of(memory_mib=0) == {}
    assert limits_of(cpu_milli=100, storage_mib=48) == {
        "memory": "256Mi",
        "cpu": "100m",
        "ephemeral-storage": "48Mi",
    }


def test_a_bomb_is_told_its_limit_and_its_options() -> None:
    pod = bomb_pod("edge-arm", Setting.RUNC_DEFAULT, None, "disk", 9, options=("--hold",))
    assert pod.args == ("bomb", "disk", "--limit", "9", "--hold")


def test_edge_nodes_limit_the_processes_of_each_pod(
    topology: Topology, context_for: ContextFor
) -> None:
    stack = get_stack("kubernetes+openyurt")
    ctx = AddOnContext(context_for(stack), stack)
    given = {node.name: find_addon("hostile").provision(ctx, node).files for node in topology.nodes}
    assert given.pop(topology.server.name) == ()
    for (file,) in given.values():
        assert PurePosixPath(file.path).parent == PurePosixPath(DROP_INS)
        assert yaml.safe_load(file.content)["podPidsLimit"] == PIDS_LIMIT
