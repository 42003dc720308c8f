"""What hostile pods reach beside their kernel: the node's agents, devices, the API server, and
folders of the node. A sandbox changes little of it."""

from __future__ import annotations

from collections.abc import Sequence

import allure
import pytest

from edge_lab.addons.hostile.settings import Setting
from edge_lab.oracles.sandbox.aimed import (
    API,
    BESIDE_THE_MOUNT,
    DEVICE,
    HOST_PATH,
    NEEDS_A_ROLE,
    NEEDS_THE_SERVICE,
    RUNTIME_SOCKET,
)
from suites.sandbox.sharedpods import (
    Attacker,
    Once,
    attempt_at_targets,
    attempt_where_nothing_stops_it,
)
from suites.sandbox.targets import agents_of, device_options

BOTH = [Setting.RUNC_DEFAULT, Setting.GVISOR_DEFAULT]

pytestmark = [
    allure.parent_suite("Sandbox"),
    allure.feature("Attempts beyond the kernel"),
    pytest.mark.parametrize("setting", BOTH, ids=str),
]


@allure.title("On {edge_node}, a pod with {setting} reaches the node's agents as declared")
def test_agents_of_the_node(attacker: Attacker, once: Once) -> None:
    _, declared = agents_of(attacker.lab, attacker.node.name)
    attacker.judge(once(attempt_at_targets, attacker).only(declared))


@allure.title("On {edge_node}, a pod with {setting} reaches devices, and writes to them")
def test_devices_of_others(attacker: Attacker, once: Once) -> None:
    device_options(attacker.lab, attacker.node.name)  # there is one
    attacker.judge(once(attempt_at_targets, attacker).only(DEVICE))


@allure.title("On {edge_node}, the token of a pod with {setting} grants no access beyond /version")
def test_the_token_of_a_pod(attacker: Attacker, once: Once) -> None:
    attacker.judge(once(attempt_at_targets, attacker).only(API))


@allure.title(
    "On {edge_node}, a pod with {setting} reaches a mounted folder, and nothing outside it"
)
def test_a_folder_of_the_node(attacker: Attacker, once: Once) -> None:
    aimed = once(attempt_at_targets, attacker)
    attacker.judge(aimed.only(HOST_PATH))
    # Seen from the node: what the pod says that it has written, and that the marker was there.
    assert (aimed.written, aimed.outside) == (aimed.marker, aimed.marker)


@allure.title(
    "On {edge_node}, a pod with {setting} and the container runtime's socket reaches what is "
    "declared"
)
def test_the_socket_of_the_container_runtime(attacker: Attacker, once: Once) -> None:
    attacker.judge(once(attempt_at_targets, attacker).only(RUNTIME_SOCKET))


# -- controls: the attempts are able to succeed ------------------------------------------------


def need_reached(attacker: Attacker, once: Once, wanted: Sequence[str]) -> None:
    """The test fails with what of `wanted` the pod of the controls does not reach."""
    run = once(attempt_where_nothing_stops_it, attacker)
    assert run.complete
    found = [record for record in run.records if record.attempt in wanted]
    missed = [f"{record.attempt}: {record.shown}" for record in found if not record.reached]
    assert ([record.attempt for record in found], missed) == (list(wanted), [])


@allure.title("On {edge_node}, a pod with {setting} whose account may list objects lists them")
def test_the_token_of_an_account_with_a_role(attacker: Attacker, once: Once) -> None:
    need_reached(attacker, once, NEEDS_A_ROLE)


@allure.title("On {edge_node}, a pod with {setting} reaches a metadata service where there is one")
def test_a_metadata_service_that_is_there(attacker: Attacker, once: Once) -> None:
    need_reached(attacker, once, NEEDS_THE_SERVICE)


@allure.title(
    "On {edge_node}, a pod with {setting} reaches the siblings of a folder if its parent is mounted"
)
def test_a_folder_whose_parent_is_mounted(attacker: Attacker, once: Once) -> None:
    need_reached(attacker, once, BESIDE_THE_MOUNT)
