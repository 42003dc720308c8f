"""The lab's client for the workload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

from edge_lab.addons.workload.manifests import (
    COLLECTOR,
    COLLECTOR_PORT,
    NAMESPACE,
    SAMPLER_STATUS,
    sampler_pod,
    sampling_nodes,
    workload_pods,
)
from edge_lab.addons.workload.records import (
    ArrivedCounts,
    CollectedSample,
    SamplerStatus,
    parse_arrived,
    parse_collected,
    parse_status,
)
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.topology import Topology

if TYPE_CHECKING:
    from edge_lab.cluster.kubectl import Kubectl


class NodeFiles(Protocol):
    """A node whose files can be read without the cluster, such as edge_lab.machines.Machine."""

    def read(self, path: str, deadline: Deadline | None = None) -> bytes: ...


class WorkloadClient:
    """Samplers and collector of one lab.

    With `nodes`, samplers are queried over the management path, which also works while their node
    is cut off.
    """

    def __init__(
        self, kubectl: Kubectl, topology: Topology, nodes: Mapping[str, NodeFiles] | None = None
    ) -> None:
        self._kubectl = kubectl
        self._topology = topology
        self._nodes = nodes or {}

    @property
    def pods(self) -> tuple[str, ...]:
        """The names of all its pods."""
        return workload_pods(self._topology)

    # -- queries -------------------------------------------------------------------------

    def sampler_status(self, node: str, deadline: Deadline) -> SamplerStatus:
        """The status of the node's sampler; its `time` shows how old it is."""
        if node in self._nodes:
            return parse_status(self._nodes[node].read(SAMPLER_STATUS, deadline))
        pod = sampler_pod(node)
        said = self._kubectl.exec(pod, ["/edge", "dump", "sampler"], deadline, namespace=NAMESPACE)
        return parse_status(said.stdout)

    def sampler_statuses(self, deadline: Deadline) -> dict[str, SamplerStatus]:
        """The status by node, without samplers that do not answer."""
        found: dict[str, SamplerStatus] = {}
        for node in sampling_nodes(self._topology):
            try:
                found[node.name] = self.sampler_status(node.name, deadline)
            except LabError:
                continue
        return found

    def collected(
        self, deadline: Deadline, *, node: str = "", device: str = "", after: int = 0
    ) -> tuple[CollectedSample, ...]:
        """The samples at the collector, by node, device and number; only numbers above `after`."""
        query = {"node": node, "device": device, "after": str(after)}
        return parse_collected(self._ask_collector(f"samples?{urlencode(query)}", deadline))

    def arrived(self, deadline: Deadline) -> tuple[ArrivedCounts, ...]:
        """The collector's counts."""
        return parse_arrived(self._ask_collector("counts", deadline))

    def _ask_collector(self, path: str, deadline: Deadline) -> str:
        # Through the API server, which runs on the same node: needs no exec, and no fault can
        # affect it.
        pod = f"/api/v1/namespaces/{NAMESPACE}/pods/{COLLECTOR}:{COLLECTOR_PORT}/proxy"
        return self._kubectl.raw(f"{pod}/{path}", deadline)
