"""Hostile pods as manifests, and the add-on that brings their image."""

from __future__ import annotations

import pytest

from edge_lab.addons import find_addon
from edge_lab.addons.hostile.image import HOSTILE_IMAGE, HOSTILE_PROGRAM, IMAGE
from edge_lab.addons.hostile.pods import (
    MOUNT,
    PERMISSION,
    attempts_pod,
    facts_pod,
    runtime_class_of,
)
from edge_lab.addons.hostile.settings import RUNTIME_CLASS, Setting
from edge_lab.artifacts import CATALOG
from edge_lab.data import IMAGES
from edge_lab.topology import Topology


def test_the_addon_brings_the_image_and_nothing_else(topology: Topology) -> None:
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
    asking = {it for it in Setting if runtime_class_of(it, resolved=True) == RUNTIME_CLASS}
    assert asking == {Setting.GVISOR_DEFAULT, Setting.GVISOR_PRIVILEGED}
    assert {runtime_class_of(it, resolved=False) for it in Setting} == {None}
    spec = facts_pod("edge-arm", Setting.GVISOR_DEFAULT, RUNTIME_CLASS).manifest()["spec"]
    assert spec["runtimeClassName"] == RUNTIME_CLASS


def test_names_are_of_the_pod_alone_and_fit_kubernetes() -> None:
    pods = [attempts_pod("edge-arm", it, None, what=what) for it in Setting for what in ("a", "b")]
    names = {pod.name for pod in pods}
    assert len(names) == len(pods)
    assert all(name.replace("-", "").isalnum() and name.islower() for name in names)


def test_a_folder_of_the_node_is_mounted_where_the_program_is_told() -> None:
    pod = attempts_pod("edge-arm", Setting.RUNC_DEFAULT, None, host_folder="/var/x").manifest()
    (container,) = pod["spec"]["containers"]
    assert container["volumeMounts"] == [{"name": "host", "mountPath": MOUNT}]
    assert pod["spec"]["volumes"][0]["hostPath"]["path"] == "/var/x"
