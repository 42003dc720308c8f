"""Pods whose attempts several tests judge: on an emulated node, starting and deleting a pod takes
longer than most attempts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar, cast

from edge_lab.addons.hostile.pods import MOUNT, HostFolder, attempts_pod
from edge_lab.addons.hostile.settings import Setting
from edge_lab.core.errors import MissingCapability
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
from edge_lab.oracles.sandbox.table import kernel_rows
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

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab
    from edge_lab.oracles.sandbox import AttemptRun
    from edge_lab.oracles.sandbox.expected import Row

Run = TypeVar("Run")

PTRACE_SCOPE = "/proc/sys/kernel/yama/ptrace_scope"
EACH = ("--seconds", "60")
"""For one attempt, in an emulated guest."""
_SOCKET_MOUNT = "/mnt/runtime"


@dataclass(frozen=True)
class DeclaredRun:
    """Attempts of a pod, and what is declared of them."""

    run: AttemptRun
    declared: Mapping[str, Row]


@dataclass(frozen=True)
class Attacker:
    """Makes pods of one setting on one node."""

    lab: Lab
    pods: HostilePods
    node: LabNode
    setting: Setting
    limit: TimeLimit

    def runtime_class(self) -> str | None:
        """That of its pods; MissingCapability if the node cannot run them."""
        return runtime_class(self.lab, self.node.name, self.setting)

    def attempts(self, what: str, options: Sequence[str], **more: Any) -> AttemptRun:
        """All attempts of a new pod with these options; `what` begins its name."""
        asked, options = self.runtime_class(), (*EACH, *options)
        pod = attempts_pod(self.node.name, self.setting, asked, options=options, what=what, **more)
        return self.pods.attempts(pod)

    def judge(self, tried: DeclaredRun) -> None:
        """The test fails with whatever is not as declared."""
        verdict = self.pods.judge_attempts(self.node.name, self.setting, tried.run, tried.declared)
        assert verdict.passed, str(verdict)


def attempt_at_the_kernel(attacker: Attacker) -> DeclaredRun:
    """Runs a pod that makes all attempts at its kernel."""
    attacker.runtime_class()  # before the node is asked
    # A node without Yama lets trace as one with 0 does.
    scope = attacker.node.output(f"cat {PTRACE_SCOPE} 2>/dev/null || echo 0")
    return DeclaredRun(attacker.attempts("attempts", ()), kernel_rows(int(scope)))


@dataclass(frozen=True)
class AimedRun:
    """The attempts at what is beside a pod's kernel: agents, a device, the API server, a folder of
    the node and the socket of its container runtime."""

    run: AttemptRun
    known: frozenset[str]
    """The names of all attempts that a test judges."""
    marker: str
    """What the folder's attempts write, and what the file beside the folder has."""
    written: str
    """What the pod's file in the folder has, seen on the node; empty if there is none."""
    outside: str
    """What the file beside the folder has, seen on the node after the run."""

    def only(self, declared: Mapping[str, Row]) -> DeclaredRun:
        """Those of `declared`, and any that no test knows."""
        records = tuple(
            record
            for record in self.run.records
            if record.attempt in declared or record.attempt not in self.known
        )
        run = self.run.model_copy(update={"records": records})
        return DeclaredRun(run, declared)


def attempt_at_targets(attacker: Attacker) -> AimedRun:
    """Runs a pod that makes these attempts."""
    lab, node = attacker.lab, attacker.node
    attacker.runtime_class()  # before anything is made on the node
    agents, agent_rows = agents_of(lab, node.name)
    devices: tuple[str, ...] = ()
    with contextlib.suppress(MissingCapability):  # the test of devices is skipped for it
        devices = device_options(lab, node.name)
    socket = PurePosixPath(cri_of(node.spec).socket)
    with folder_of_the_node(node) as folder:
        options = (
            *agents,
            *devices,
            *api_options(lab),
            *folder.options(MOUNT),
            *("--unix", f"runtime={_SOCKET_MOUNT}/{socket.name}"),
        )
        folders = (HostFolder(folder.path), HostFolder(str(socket.parent), _SOCKET_MOUNT))
        run = attacker.attempts("targets", options, token=True, host_folders=folders)
        written = node.output(f"cat {folder.path}/written 2>/dev/null; true")
        outside = node.output(f"cat {folder.above}/{OUTSIDE} 2>/dev/null; true")
    known = frozenset((*agent_rows, *DEVICE, *API, *HOST_PATH, *RUNTIME_SOCKET))
    return AimedRun(run, known, folder.marker, written, outside)


CONTROLS = (*NEEDS_A_ROLE, *NEEDS_THE_SERVICE, *BESIDE_THE_MOUNT)


def attempt_where_nothing_stops_it(attacker: Attacker) -> AttemptRun:
    """The controls of `attempt_at_targets`: runs a pod whose account has a role, on a node with a
    metadata service, which has the parent of the folder mounted."""
    attacker.runtime_class()  # before anything is made
    with (
        account_that_lists(attacker.lab, attacker.limit) as account,
        metadata_service(attacker.node),
        folder_of_the_node(attacker.node) as folder,
    ):
        mounted = f"{MOUNT}/{PurePosixPath(folder.path).name}"
        return attacker.attempts(
            "controls",
            (*api_options(attacker.lab), *METADATA_OPTION, *folder.options(mounted), *CONTROLS),
            token=True,
            service_account=account,
            host_folders=(HostFolder(folder.above),),
        )


class Once:
    """Runs each pod once in a session."""

    def __init__(self) -> None:
        self._runs: dict[tuple[Callable[[Attacker], object], str, Setting], object] = {}

    def __call__(self, make: Callable[[Attacker], Run], attacker: Attacker) -> Run:
        """The result of `make` for this node and setting; made again if it raised an error."""
        key = (make, attacker.node.name, attacker.setting)
        if key not in self._runs:
            self._runs[key] = make(attacker)
        return cast(Run, self._runs[key])
