"""Whether a pod leads its kubelet out of a volume, by a link that it mounts as a part of it
(https://github.com/kubernetes/kubernetes/issues/60813)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.addons.hostile.settings import Setting
from edge_lab.addons.hostile.subpath import SubPathPod
from edge_lab.addons.workload import NAMESPACE
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.sandbox import POD_SECONDS, HostilePods
from edge_lab.oracles.sandbox.subpath import Mounted, mounted
from suites.sandbox.runtimes import runtime_class

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Sandbox"),
    allure.feature("Volumes"),
    pytest.mark.parametrize("setting", [Setting.RUNC_DEFAULT, Setting.GVISOR_DEFAULT], ids=str),
]


def came(
    lab: Lab,
    node: str,
    setting: Setting,
    what: str,
    target: str,
    pods: HostilePods,
    time_limit: TimeLimit,
) -> Mounted:
    """What became of the mount."""
    name = f"subpath-{what}-{setting.slug}-{node}"
    asked = runtime_class(lab, node, setting)
    pod = SubPathPod(name, node, setting, ("facts", "--tag", name, "--hold"), asked, target=target)
    with pods.applied(pod):

        def found() -> Mounted | None:
            seen: dict[str, Any] = lab.kubectl.get_json(
                "pod", name, "-n", NAMESPACE, deadline=time_limit(60)
            )
            return mounted(seen)

        return eventually(
            f"{name} is started or refused",
            found,
            time_limit(POD_SECONDS),
            every=2.0,
            transient=(KubectlError,),
        )


@pytest.mark.parametrize("target", ["/", "../../../../../../.."], ids=["absolute", "relative"])
@allure.title("On {edge_node}, the kubelet follows no symlink of a pod with {setting} to {target}")
def test_a_link_out_of_a_volume_is_not_mounted(
    lab: Lab,
    edge_node: LabNode,
    setting: Setting,
    target: str,
    hostile_pods: HostilePods,
    time_limit: TimeLimit,
) -> None:
    what = "absolute" if target.startswith("/") else "relative"
    found = came(lab, edge_node.name, setting, what, target, hostile_pods, time_limit)
    assert found is Mounted.REFUSED


@allure.title(
    "On {edge_node}, the kubelet follows a symlink within a volume, with {setting} (control)"
)
def test_a_link_within_a_volume_is_mounted(
    lab: Lab,
    edge_node: LabNode,
    setting: Setting,
    hostile_pods: HostilePods,
    time_limit: TimeLimit,
) -> None:
    found = came(lab, edge_node.name, setting, "inside", "inside", hostile_pods, time_limit)
    assert found is Mounted.STARTED
