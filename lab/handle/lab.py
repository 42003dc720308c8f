"""A running lab, with everything that commands and tests use of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_lab.addons import Platform
from edge_lab.addons.workload import WorkloadClient
from edge_lab.cluster.kubectl import Kubectl
from edge_lab.cluster.objects import node_ready, pod_ready, pod_reason, restart_counts
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError, named
from edge_lab.core.home import RunDir
from edge_lab.devices import DeviceClient
from edge_lab.fabric import FabricClient
from edge_lab.fabric.capture import Capture
from edge_lab.fabric.output import Limits
from edge_lab.faults.journal import FaultJournal
from edge_lab.handle.hostprocesses import host_processes
from edge_lab.handle.linkstate import link_state
from edge_lab.handle.picture import EndpointView, LinkView, lab_svg
from edge_lab.handle.state import Condition, LabState
from edge_lab.handle.status import (
    DeviceStatus,
    FaultStatus,
    LabStatus,
    LinkStatus,
    NodeStatus,
    PodStatus,
    with_versions,
)
from edge_lab.machines import Machine
from edge_lab.pki import Pki
from edge_lab.stacks import Stack
from edge_lab.topology import Device, Link, Topology

if TYPE_CHECKING:
    from edge_lab.bringup.host import Host
    from edge_lab.fabric import LinkStatus as FabricLinkStatus

ANSWER_SECONDS = 30.0
"""Time limit in seconds for a request to the API server for the status."""


@dataclass
class Lab:
    """A running lab. Created by `lifecycle.bring_up`, or by `attach` in another process."""

    host: Host
    run: RunDir
    state: LabState
    machines: Mapping[str, Machine]
    fabric: FabricClient
    kubectl: Kubectl
    devices: Mapping[str, DeviceClient]
    platform: Platform
    """The stack and the add-ons."""
    workload: WorkloadClient
    """The samplers and the collector."""

    # -- Identity ------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.state.lab

    @property
    def topology(self) -> Topology:
        return self.state.topology

    @property
    def stack(self) -> Stack:
        """Control plane and edge runtime."""
        return self.platform.stack

    @property
    def pki(self) -> Pki:
        """Its keys and certificates."""
        return Pki.load(self.run.keys)

    @property
    def stack_name(self) -> str:
        return self.state.stack

    @property
    def pace(self) -> int:
        """The factor by which the topology's timing was multiplied for a slow host."""
        return self.state.pace

    @property
    def versions(self) -> dict[str, str]:
        """Versions of everything involved: components, kernels, emulator, libraries."""
        return self.state.versions

    def machine(self, node: str) -> Machine:
        """The machine of a node; InputError names the nodes if there is none."""
        return named("node", node, self.machines)

    def console_path(self, node: str) -> Path:
        return self.machine(node).console.path

    # -- Status --------------------------------------------------------------------------

    def status(self) -> LabStatus:
        """The current nodes, links and devices. Those that do not answer are shown as not ready."""
        return LabStatus(
            lab=self.name,
            stack=self.stack_name,
            addons=self.topology.addons,
            restored=self.state.restored,
            kubeconfig=str(self.run.kubeconfig),
            nodes=self._nodes_or_not_ready(),
            links=self.link_statuses(),
            devices=tuple(map(self._device_or_unreachable, self.topology.devices)),
            faults=tuple(
                FaultStatus(id=record.id, title=record.fault.title)
                for record in FaultJournal(self.run.logs).active()
            ),
            processes=host_processes(self.run),
            versions=self.versions,
        )

    def node_statuses(self, deadline: Deadline) -> tuple[NodeStatus, ...]:
        """The nodes in the API server; LabError if it does not answer."""
        found = self.kubectl.items("nodes", deadline=deadline)
        return self._nodes({node["metadata"]["name"]: node for node in found})

    def pod_statuses(self, deadline: Deadline) -> tuple[PodStatus, ...]:
        """All pods in the API server; LabError if it does not answer."""
        found = self.kubectl.items("pods", "-A", deadline=deadline)
        return tuple(sorted(map(pod_status, found), key=lambda pod: (pod.namespace, pod.name)))

    def link_statuses(self, deadline: Deadline | None = None) -> tuple[LinkStatus, ...]:
        """The links in the fabric; LabError if it does not answer."""
        wires = {wire.name: wire for wire in self.fabric.links(deadline)}
        return tuple(
            _link_status(link, wires[link.name])
            for link in self.topology.links  # in the order of the file
        )

    def device_status(self, name: str, deadline: Deadline | None = None) -> DeviceStatus:
        """A device, after a read of itself; LabError if its process does not answer."""
        said = named("device", name, self.devices).status(deadline)
        return self._device(self.topology.device(name), said.reachable, said.seq)

    def _nodes_or_not_ready(self) -> tuple[NodeStatus, ...]:
        try:
            return self.node_statuses(Deadline.scaled(ANSWER_SECONDS))
        except EdgeLabError:
            return self._nodes({})

    def _nodes(self, seen: Mapping[str, dict[str, Any]]) -> tuple[NodeStatus, ...]:
        able = self.platform.capabilities(self.topology)
        found: list[NodeStatus] = []
        for node in self.topology.nodes:
            item: dict[str, Any] = seen.get(node.name, {})
            edge = node in self.topology.edges
            runtime = self.stack.runtime.name if edge else self.stack.control.name
            info: dict[str, str] = item["status"]["nodeInfo"] if item else {}
            found.append(
                NodeStatus(
                    name=node.name,
                    arch=node.arch.value,
                    memory_mib=node.memory,
                    ready=bool(item) and node_ready(item),
                    runtime=with_versions(runtime, info),
                    container_runtime=info.get("containerRuntimeVersion", ""),
                    capabilities=tuple(sorted(able[node.name])),
                    address=str(self.topology.cluster_link(node.name).address),
                    accelerator=self.state.accelerator[node.name],
                    reboots=self.machines[node.name].reboots,
                )
            )
        return tuple(found)

    def _device_or_unreachable(self, device: Device) -> DeviceStatus:
        try:
            return self.device_status(device.name)
        except EdgeLabError:
            return self._device(device, reachable=False, sequence=0)

    def _device(self, device: Device, reachable: bool, sequence: int) -> DeviceStatus:
        return DeviceStatus(
            name=device.name,
            protocol=device.protocol,
            address=str(self.topology.links_of(device.name)[0].address),
            reachable=reachable,
            sequence=sequence,
        )

    def svg(self) -> str:
        """The current picture of the lab."""
        status = self.status()
        views = {node.name: EndpointView((node.runtime,), node.ready) for node in status.nodes} | {
            device.name: EndpointView((f"{device.sequence} values",), device.reachable)
            for device in status.devices
        }
        links = {link.name: LinkView(link.state, link.detail) for link in status.links}
        return lab_svg(self.topology, views, links, f"lab {self.name} · {self.stack_name}")

    # -- Links ---------------------------------------------------------------------------

    def check_link(self, link: str) -> None:
        """InputError if there is no such link."""
        named("link", link, {known.name: known for known in self.topology.links})

    @contextlib.contextmanager
    def capturing(self, link: str, path: Path, limits: Limits | None = None) -> Iterator[Capture]:
        """While the block runs, the frames of `link` are written to `path` (pcapng).

        Raises:
            LabError: at the end, if they could not all be written.
        """
        self.check_link(link)
        path.parent.mkdir(parents=True, exist_ok=True)
        with Capture.to(self.fabric, link, path, limits) as capture:
            yield capture
        capture.end().check()

    # -- State ---------------------------------------------------------------------------

    def mark(self, condition: Condition) -> None:
        """Writes the state file, for processes that attach to the lab."""
        if condition is not self.state.condition:
            self.state = self.state.model_copy(update={"condition": condition})
            self.state.write(self.run)


def _link_status(link: Link, wire: FabricLinkStatus) -> LinkStatus:
    state, detail = link_state(wire)
    return LinkStatus(
        name=link.name,
        endpoint=link.endpoint,
        network=link.network,
        state=state,
        detail=detail,
        frames_tx=wire.counters.tx.frames,
        frames_rx=wire.counters.rx.frames,
    )


def pod_status(pod: Mapping[str, Any]) -> PodStatus:
    """The status of a Pod object."""
    meta = pod["metadata"]
    return PodStatus(
        namespace=str(meta.get("namespace", "")),
        name=str(meta["name"]),
        node=str(pod.get("spec", {}).get("nodeName") or ""),
        phase="Terminating"
        if "deletionTimestamp" in meta
        else str(pod.get("status", {}).get("phase", "")),
        ready=pod_ready(pod),
        restarts=sum(restart_counts(pod).values()),
        reason=pod_reason(pod),
    )
