"""What hostile pods reach beside their kernel: the node's agents, devices, the API server, and
folders of the node. A sandbox changes little of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.addons.hostile.pods import MOUNT, attempts_pod
from edge_lab.addons.hostile.settings import Setting
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.sandbox import HostilePods
from edge_lab.oracles.sandbox.aimed import (
    API,
    BESIDE_THE_MOUNT,
    DEVICE,
    HOST_PATH,
    NEEDS_A_ROLE,
    NEEDS_THE_SERVICE,
    RUNTIME_SOCKET,
)
from edge_lab.oracles.sandbox.expected import Row
from edge_lab.provisioning.cri import cri_of
from suites.sandbox.runtimes import runtime_class
from suites.sandbox.targets import (
    METADATA_OPTION,
    OUTSIDE,
    account_that_lists,
    agents_of,
    api_options,
    device_options,
    folder_of_the_node,
    metadata_service,
)
from suites.sandbox.test_attempts import EACH

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab
    from edge_lab.oracles.sandbox import AttemptRun

BOTH = [Setting.RUNC_DEFAULT, Setting.GVISOR_DEFAULT]

pytestmark = [
    allure.parent_suite("Sandbox"),
    allure.feature("Attempts beyond the kernel"),
    pytest.mark.parametrize("setting", BOTH, ids=str),
]


def attempts(
    lab: Lab,
    pods: HostilePods,
    node: str,
    setting: Setting,
    what: str,
    options: Sequence[str],
    **more: Any,
) -> AttemptRun:
    """All that a pod with these options has tried."""
    asked = runtime_class(lab, node, setting)
    return pods.attempts(
        attempts_pod(node, setting, asked, options=(*EACH, *options), what=what, **more)
    )


def judge(
    lab: Lab,
    pods: HostilePods,
    node: str,
    setting: Setting,
    what: str,
    options: Sequence[str],
    declared: Mapping[str, Row],
    **more: Any,
) -> None:
    """Runs a pod with these options; the test fails with whatever is not as declared."""
    run = attempts(lab, pods, node, setting, what, options, **more)
    verdict = pods.judge_attempts(node, setting, run, declared)
    assert verdict.passed, str(verdict)


@allure.title("On {edge_node}, a pod with {setting} reaches the node's agents as declared")
def test_agents_of_the_node(
    lab: Lab, edge_node: LabNode, setting: Setting, hostile_pods: HostilePods
) -> None:
    options, declared = agents_of(lab, edge_node.name)
    judge(lab, hostile_pods, edge_node.name, setting, "agents", options, declared)


@allure.title("On {edge_node}, a pod with {setting} reaches devices, and writes to them")
def test_devices_of_others(
    lab: Lab, edge_node: LabNode, setting: Setting, hostile_pods: HostilePods
) -> None:
    options = device_options(lab, edge_node.name)
    judge(lab, hostile_pods, edge_node.name, setting, "devices", options, DEVICE)


@allure.title("On {edge_node}, the token of a pod with {setting} grants no access beyond /version")
def test_the_token_of_a_pod(
    lab: Lab, edge_node: LabNode, setting: Setting, hostile_pods: HostilePods
) -> None:
    judge(lab, hostile_pods, edge_node.name, setting, "token", api_options(lab), API, token=True)


@allure.title(
    "On {edge_node}, a pod with {setting} reaches a mounted folder, and nothing outside it"
)
def test_a_folder_of_the_node(
    lab: Lab, edge_node: LabNode, setting: Setting, hostile_pods: HostilePods
) -> None:
    runtime_class(lab, edge_node.name, setting)  # before anything is made there
    with folder_of_the_node(edge_node) as folder:
        judge(
            lab,
            hostile_pods,
            edge_node.name,
            setting,
            "folder",
            folder.options(MOUNT),
            HOST_PATH,
            host_folder=folder.path,
        )
        # Seen from the node: what the pod says that it has written, and that the marker was there.
        assert edge_node.output(f"cat {folder.path}/written") == folder.marker
        assert edge_node.output(f"cat {folder.path}/../{OUTSIDE}") == folder.marker


# -- controls: the attempts are able to succeed ------------------------------------------------


def need_reached(
    lab: Lab,
    pods: HostilePods,
    node: str,
    setting: Setting,
    what: str,
    options: Sequence[str],
    wanted: Sequence[str],
    **more: Any,
) -> None:
    """Runs a pod with these options; the test fails with what of `wanted` it does not reach."""
    run = attempts(lab, pods, node, setting, what, (*options, *wanted), **more)
    assert run.complete
    missed = [f"{record.attempt}: {record.shown}" for record in run.records if not record.reached]
    assert ([record.attempt for record in run.records], missed) == (list(wanted), [])


@allure.title("On {edge_node}, a pod with {setting} whose account may list objects lists them")
def test_the_token_of_an_account_with_a_role(
    lab: Lab,
    edge_node: LabNode,
    setting: Setting,
    hostile_pods: HostilePods,
    time_limit: TimeLimit,
) -> None:
    runtime_class(lab, edge_node.name, setting)  # before anything is made in the cluster
    with account_that_lists(lab, time_limit) as account:
        need_reached(
            lab,
            hostile_pods,
            edge_node.name,
            setting,
            "role",
            api_options(lab),
            NEEDS_A_ROLE,
            token=True,
            service_account=account,
        )


@allure.title("On {edge_node}, a pod with {setting} reaches a metadata service where there is one")
def test_a_metadata_service_that_is_there(
    lab: Lab, edge_node: LabNode, setting: Setting, hostile_pods: HostilePods
) -> None:
    runtime_class(lab, edge_node.name, setting)  # before anything is made there
    with metadata_service(edge_node):
        need_reached(
            lab,
            hostile_pods,
            edge_node.name,
            setting,
            "metadata",
            METADATA_OPTION,
            NEEDS_THE_SERVICE,
        )


@allure.title(
    "On {edge_node}, a pod with {setting} reaches the siblings of a folder if its parent is mounted"
)
def test_a_folder_whose_parent_is_mounted(
    lab: Lab, edge_node: LabNode, setting: Setting, hostile_pods: HostilePods
) -> None:
    runtime_class(lab, edge_node.name, setting)  # before anything is made there
    with folder_of_the_node(edge_node) as folder:
        need_reached(
            lab,
            hostile_pods,
            edge_node.name,
            setting,
            "parent",
            folder.options(f"{MOUNT}/{PurePosixPath(folder.path).name}"),
            BESIDE_THE_MOUNT,
            host_folder=folder.above,
        )


# ----------------------------------------------------------------------------------------------


@allure.title(
    "On {edge_node}, a pod with {setting} and the container runtime's socket reaches what is "
    "declared"
)
def test_the_socket_of_the_container_runtime(
    lab: Lab, edge_node: LabNode, setting: Setting, hostile_pods: HostilePods
) -> None:
    socket = PurePosixPath(cri_of(edge_node.spec).socket)
    judge(
        lab,
        hostile_pods,
        edge_node.name,
        setting,
        "socket",
        ("--unix", f"runtime={MOUNT}/{socket.name}"),
        RUNTIME_SOCKET,
        host_folder=str(socket.parent),
    )
