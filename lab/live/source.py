"""The queries to a running lab, part by part, and their implementation for a real lab."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edge_lab.addons.twins.client import TwinClient
from edge_lab.addons.twins.manifests import properties_of
from edge_lab.addons.twins.names import has_twins, twin_name
from edge_lab.addons.workload import ArrivedCounts, SampleCounts, sampled_devices, sampling_nodes
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.devices.points import REQUESTED_SETPOINT, SEQUENCE, Point, Value
from edge_lab.devices.protocols import protocol_of
from edge_lab.devices.truth import TruthStep
from edge_lab.faults.board import AnnouncedPlan, PlanBoard
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.journal import FaultJournal
from edge_lab.faults.records import FaultRecord
from edge_lab.handle.picture import lab_svg
from edge_lab.handle.status import LinkStatus, NodeStatus, PodStatus
from edge_lab.live.snapshot import DeviceSeen, PointValue, SampleRow, TwinName, Twins, TwinValue
from edge_lab.topology import Device, Topology

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

JOURNAL = "journal"
JOURNAL_LINES = 200

TAIL_BYTES = 64 * 1024
"""Maximum bytes of a console or a log that are shown."""


class Source(Protocol):
    """A running lab. Each query raises EdgeLabError if it cannot be answered in time."""

    @property
    def topology(self) -> Topology: ...

    @property
    def stack(self) -> str: ...

    @property
    def restored(self) -> bool: ...

    @property
    def sampled_nodes(self) -> tuple[str, ...]:
        """The nodes on which a sampler runs."""
        ...

    @property
    def twinned(self) -> bool:
        """Whether the cluster has twins of its devices."""
        ...

    def nodes(self, deadline: Deadline) -> tuple[NodeStatus, ...]: ...

    def links(self, deadline: Deadline) -> tuple[LinkStatus, ...]: ...

    def pods(self, deadline: Deadline) -> tuple[PodStatus, ...]: ...

    def device(self, name: str, deadline: Deadline) -> DeviceSeen: ...

    def twins(self, deadline: Deadline) -> Twins: ...

    def samples(self, node: str, deadline: Deadline) -> tuple[SampleRow, ...]: ...

    def faults(self, deadline: Deadline) -> tuple[FaultRecord, ...]:
        """All of them, by id."""
        ...

    def plan(self, deadline: Deadline) -> AnnouncedPlan | None: ...

    def engine(self) -> FaultEngine: ...

    def picture(self) -> str:
        """The topology as SVG, without any state."""
        ...

    def logs(self) -> tuple[str, ...]:
        """The names of consoles (`console NODE`), of the journals of nodes (`journal NODE`), and
        of logs of the lab's own processes."""
        ...

    def log(self, name: str, deadline: Deadline) -> str:
        """The end of one of `logs`; InputError if there is none of that name."""
        ...


class LabSource:
    """The real lab."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._journal = FaultJournal(lab.run.logs)
        self._board = PlanBoard(lab.run.logs)

    @property
    def topology(self) -> Topology:
        return self._lab.topology

    @property
    def stack(self) -> str:
        return self._lab.stack_name

    @property
    def restored(self) -> bool:
        return self._lab.state.restored

    @property
    def sampled_nodes(self) -> tuple[str, ...]:
        if "workload" not in self.topology.addons:
            return ()
        return tuple(node.name for node in sampling_nodes(self.topology))

    @property
    def twinned(self) -> bool:
        return "twins" in self.topology.addons and has_twins(self.topology)

    def nodes(self, deadline: Deadline) -> tuple[NodeStatus, ...]:
        return self._lab.node_statuses(deadline)

    def links(self, deadline: Deadline) -> tuple[LinkStatus, ...]:
        return self._lab.link_statuses(deadline)

    def pods(self, deadline: Deadline) -> tuple[PodStatus, ...]:
        return self._lab.pod_statuses(deadline)

    def device(self, name: str, deadline: Deadline) -> DeviceSeen:
        device = self.topology.device(name)
        step = None
        if protocol_of(device.protocol).is_served:
            step = self._lab.devices[name].newest_step()
        return DeviceSeen(
            status=self._lab.device_status(name, deadline),
            values=() if step is None else point_values(device, step),
            step_at=None if step is None else step.time,
            twins=tuple(TwinName(node=node, twin=twin_name(name, node)) for node in device.twins)
            if self.twinned
            else (),
        )

    def twins(self, deadline: Deadline) -> Twins:
        found = TwinClient(self._lab.kubectl).statuses(deadline)
        return {
            name: {
                point: TwinValue(value=said.value, taken=said.taken)
                for point, said in status.properties.items()
                if said.is_reported
            }
            for name, status in found.items()
        }

    def samples(self, node: str, deadline: Deadline) -> tuple[SampleRow, ...]:
        # The counts of the node first, so that samples in transit do not count as lost.
        counts = self._lab.workload.sampler_status(node, deadline).devices
        arrived: dict[str, ArrivedCounts] | None = None
        try:
            found = self._lab.workload.arrived(deadline)
        except LabError:
            pass
        else:
            arrived = {counts.device: counts for counts in found if counts.node == node}
        devices = sampled_devices(self.topology, self.topology.node(node))
        return tuple(
            sample_row(node, device.name, counts[device.name], arrived)
            for device in devices
            if device.name in counts
        )

    def faults(self, deadline: Deadline) -> tuple[FaultRecord, ...]:
        return self._journal.history()

    def plan(self, deadline: Deadline) -> AnnouncedPlan | None:
        return self._board.read()

    def engine(self) -> FaultEngine:
        return FaultEngine.of(self._lab)

    def picture(self) -> str:
        title = f"lab {self._lab.name} · {self._lab.stack_name}"
        return lab_svg(self.topology, title=title)

    def logs(self) -> tuple[str, ...]:
        journals = (f"{JOURNAL} {node.name}" for node in self.topology.nodes)
        consoles = len(self.topology.nodes)
        files = tuple(self._files())
        return (*files[:consoles], *journals, *files[consoles:])

    def log(self, name: str, deadline: Deadline) -> str:
        known = self.logs()
        if name not in known:
            raise InputError(f"there is no log {name!r}", remedy=f"Available: {', '.join(known)}.")
        kind, _, node = name.partition(" ")
        if node and kind == JOURNAL:
            return self._lab.machine(node).journal(lines=JOURNAL_LINES, deadline=deadline)
        return tail_of(self._files()[name])

    def _files(self) -> dict[str, Path]:
        consoles = {
            f"console {node.name}": self._lab.console_path(node.name)
            for node in self.topology.nodes
        }
        own = {path.stem: path for path in sorted(self._lab.run.logs.glob("*.log"))}
        return {**consoles, **own}


def tail_of(path: Path, most: int = TAIL_BYTES) -> str:
    """The end of a text file, from the beginning of a line; empty if there is no such file."""
    from edge_lab.machines.console import plain

    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - most))
            content = file.read()
    except FileNotFoundError:
        return ""
    except OSError as trouble:
        raise LabError(f"cannot read {path}: {trouble.strerror}") from trouble
    if size > most:
        content = content.partition(b"\n")[2]
    return plain(content.decode(errors="replace"))


def point_values(device: Device, step: TruthStep) -> tuple[PointValue, ...]:
    """The device's values at that step, in the units of its points."""
    raw = protocol_of(device.protocol).truth_is_raw
    shown: list[PointValue] = []
    for point in (twin_property.point for twin_property in properties_of(device)):
        if point.name == SEQUENCE:
            value: Value | None = step.seq
        elif point.name == REQUESTED_SETPOINT:
            value = point.value(step.requested)
        else:
            value = step.values.get(point.name)
            if value is not None and raw:
                value = point.value(int(value))
        if value is not None:
            text = f"{value:.{point.digits}f}"
            shown.append(PointValue(name=point.name, unit=_unit(point, text), value=text))
    return tuple(shown)


def _unit(point: Point, value: str) -> str:
    """The unit; for a point with named states, such as `0 off, 1 on`, the current one."""
    states = dict(state.strip().partition(" ")[::2] for state in point.unit.split(","))
    return states.get(value) or point.unit


def sample_row(
    node: str, device: str, counts: SampleCounts, arrived: Mapping[str, ArrivedCounts] | None
) -> SampleRow:
    """`arrived`: by device, for that node, read after `counts`; None if unknown."""
    came = repeated = lost = None
    if arrived is not None:
        found = arrived.get(device)
        came, repeated = (found.arrived, found.repeated) if found else (0, 0)
        lost = max(0, counts.sampled - counts.waiting - came)
    return SampleRow(
        node=node,
        device=device,
        sampled=counts.sampled,
        waiting=counts.waiting,
        arrived=came,
        lost=lost,
        repeated=repeated,
        connected=counts.connected,
    )
