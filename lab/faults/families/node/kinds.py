"""The faults of nodes, as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from edge_lab.faults.claims import Claims, node_part, services_part
from edge_lab.faults.effects import NodeStop, Scope
from edge_lab.faults.fault import Fault
from edge_lab.faults.objections import Objection, inability, unknown_name
from edge_lab.topology import Ability, Topology

LIFELINES = frozenset({"ssh", "sshd", "dbus", "systemd-networkd", "systemd-logind"})
"""Services that the lab itself needs to reach a node and heal its faults."""

SERVICES = (
    "kubelet.service",
    "containerd.service",
    "crio.service",
    "yurthub.service",
    "edgecore.service",
)
"""Of the stacks' nodes, for example."""

SERVICE_PATTERN = r"^[\w@.:-]+$"

MOST_LEFT = 64
"""PIDs or descriptors that may be left: the proofs use up as many."""

NO_DISK = ("/proc", "/sys", "/dev", "/run", "/boot")
"""Folders that are not on a node's disk, or without whose space it cannot boot."""


class NodeFault(Fault):
    """Base of the faults of nodes."""

    family: ClassVar[str] = "node"
    node: str

    @property
    def targets(self) -> frozenset[str]:
        return frozenset({f"{node_part(self.node)} {self._target}"})

    @property
    def _target(self) -> str:
        """The part of the node that it locks."""
        return "power"

    @property
    def ability(self) -> Ability | None:
        """What the node's machine must be able to do; None if a shell in it is enough."""
        return None

    @property
    def scope(self) -> Scope:
        return Scope(nodes=frozenset({self.node}))

    def claims(self, topology: Topology) -> Claims:
        node = frozenset({node_part(self.node)})
        return Claims(self.targets, needs=node, disables=node if self.stops else frozenset())

    def objections(self, topology: Topology) -> Iterator[Objection]:
        yield from unknown_name("node", self.node, [node.name for node in topology.nodes])
        if self.ability is not None:
            yield from inability("node", topology, self.node, self.ability)
        yield from self._wrong_fields()

    def _wrong_fields(self) -> Iterator[Objection]:
        """Objections to the fields alone."""
        yield from ()


class ServiceFault(NodeFault):
    """Base of the faults of a systemd service."""

    service: str = Field(pattern=SERVICE_PATTERN, examples=list(SERVICES))

    @property
    def _target(self) -> str:
        return self.service

    def _wrong_fields(self) -> Iterator[Objection]:
        stem, dot, kind = self.service.rpartition(".")
        if not dot or kind != "service" or not stem:
            yield Objection(
                "service",
                f"{self.service!r} is not a service",
                f"Write it as {self.service}.service.",
            )
        if stem.partition("@")[0] in LIFELINES:
            yield Objection(
                "service",
                f"without {self.service} the lab could not reach {self.node} to heal it",
                "To make a node unreachable, cut its links or pause it.",
            )


class ClockFault(NodeFault):
    """Base of the faults of a node's clock."""

    @property
    def _target(self) -> str:
        return "clock"


class PowerOff(NodeFault):
    """The node loses power; healing switches it on and waits for the boot."""

    fault: Literal["power-off"] = "power-off"

    @property
    def ability(self) -> Ability | None:
        return Ability.POWER

    @property
    def title(self) -> str:
        return f"{self.node} without power"

    @property
    def stops(self) -> tuple[NodeStop, ...]:
        return (NodeStop(self.node),)


class Reboot(NodeFault):
    """The node reboots: cleanly, or by its reset button. Healed once it is up."""

    fault: Literal["reboot"] = "reboot"
    orderly: bool = False

    reserved_s: ClassVar[float] = 120.0

    @property
    def ability(self) -> Ability | None:
        return None if self.orderly else Ability.POWER

    @property
    def title(self) -> str:
        return f"{'reboot' if self.orderly else 'reset'} of {self.node}"

    @property
    def stops(self) -> tuple[NodeStop, ...]:
        return (NodeStop(self.node, until_heal=False, sudden=not self.orderly),)


class Pause(NodeFault):
    """All CPUs are stopped, as if the machine were frozen."""

    fault: Literal["pause"] = "pause"

    @property
    def ability(self) -> Ability | None:
        return Ability.PAUSE

    @property
    def title(self) -> str:
        return f"{self.node} paused"

    @property
    def stops(self) -> tuple[NodeStop, ...]:
        return (NodeStop(self.node, keeps_boot=True),)


class Kill(ServiceFault):
    """SIGKILL to the main process of a systemd service; systemd may restart it."""

    fault: Literal["kill"] = "kill"

    reserved_s: ClassVar[float] = 10.0

    @property
    def title(self) -> str:
        return f"{self.service} killed on {self.node}"


class Freeze(ServiceFault):
    """SIGSTOP to the main process of a systemd service; healing sends SIGCONT."""

    fault: Literal["freeze"] = "freeze"

    def claims(self, topology: Topology) -> Claims:
        """A restart of the service would end it."""
        return _ended_by_a_restart(self.node, super().claims(topology))

    @property
    def title(self) -> str:
        return f"{self.service} stopped on {self.node}"


class ClockJump(ClockFault):
    """The clock jumps ahead or back; healing corrects it."""

    fault: Literal["clock-jump"] = "clock-jump"
    seconds: float = Field(ge=-86_400 * 3650, le=86_400 * 3650)

    @property
    def title(self) -> str:
        return f"clock of {self.node} {self.seconds:+g} s"

    def _wrong_fields(self) -> Iterator[Objection]:
        if not self.seconds:
            yield Objection("seconds", "a jump of 0 s has no visible effect")


class ClockSkew(ClockFault):
    """The clock runs too fast or too slow; healing restores its rate and corrects it."""

    fault: Literal["clock-skew"] = "clock-skew"
    ppm: int = Field(ge=-100_000, le=100_000, description="Microseconds gained per second.")

    @property
    def title(self) -> str:
        return f"clock of {self.node} {self.ppm:+d} ppm"

    def _wrong_fields(self) -> Iterator[Objection]:
        if not self.ppm:
            yield Objection("ppm", "a skew of 0 ppm has no visible effect")


class DiskFull(NodeFault):
    """The file system of `path` is filled up to `leave_mib`; healing removes the filler.

    With `leave_mib` of 0, what is freed meanwhile is filled too, until the node boots.
    """

    fault: Literal["disk-full"] = "disk-full"
    path: str = Field("/var", pattern=r"^/[\w./-]*$")
    leave_mib: int = Field(0, ge=0)

    @property
    def aftermath(self) -> str:
        if self.leave_mib:
            return ""
        return f"{self.node}'s kubelet may have evicted pods and removed images"

    @property
    def _target(self) -> str:
        return "disk space"

    @property
    def title(self) -> str:
        return f"disk of {self.node} full"

    def _wrong_fields(self) -> Iterator[Objection]:
        is_elsewhere = any(
            self.path == folder or self.path.startswith(f"{folder}/") for folder in NO_DISK
        )
        if ".." in self.path.split("/") or is_elsewhere:
            yield Objection(
                "path",
                f"{self.path} is not a path that may be filled",
                "Use a path below /var, where containers, images and logs are.",
            )


class SlowDisk(NodeFault):
    """The disk is limited to `iops` operations per second."""

    fault: Literal["slow-disk"] = "slow-disk"
    iops: int = Field(ge=1, le=100_000)

    @property
    def ability(self) -> Ability | None:
        return Ability.DISK_PACE

    @property
    def _target(self) -> str:
        return "disk pace"

    @property
    def title(self) -> str:
        return f"disk of {self.node} limited to {self.iops} operations/s"


class PidsExhausted(NodeFault):
    """All pods of the node together may start no further process or thread, except for `leave`.

    The limit is set on their control group, so that logins and services of the node are not
    affected; healing restores the previous one.
    """

    fault: Literal["pids-exhausted"] = "pids-exhausted"
    leave: int = Field(0, ge=0, le=MOST_LEFT, description="PIDs that pods may still take.")

    @property
    def _target(self) -> str:
        return "pids"

    def claims(self, topology: Topology) -> Claims:
        """The kubelet sets that limit when it starts."""
        return _ended_by_a_restart(self.node, super().claims(topology))

    @property
    def title(self) -> str:
        return f"{self.leave or 'no'} PIDs left for pods on {self.node}"


class FilesExhausted(ServiceFault):
    """A service's process may open no further file or connection, except for `leave`.

    The limit is set on the running process; healing restores the previous one.
    """

    fault: Literal["files-exhausted"] = "files-exhausted"
    service: str = Field("containerd.service", pattern=SERVICE_PATTERN, examples=list(SERVICES))
    leave: int = Field(0, ge=0, le=MOST_LEFT, description="Descriptors that it may still open.")

    def claims(self, topology: Topology) -> Claims:
        """A restart of the service would end it."""
        return _ended_by_a_restart(self.node, super().claims(topology))

    @property
    def title(self) -> str:
        return f"{self.leave or 'no'} files left for {self.service} on {self.node}"


def _ended_by_a_restart(node: str, claims: Claims) -> Claims:
    """The claims of a fault that lasts only as long as the node's services run."""
    return replace(claims, disables=claims.disables | {services_part(node)})
