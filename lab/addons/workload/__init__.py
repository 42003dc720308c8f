"""The lab's own workload: a sampler on each edge node, a collector on the server."""

from edge_lab.addons.workload.client import WorkloadClient
from edge_lab.addons.workload.manifests import (
    NAMESPACE,
    sampled_devices,
    sampling_nodes,
    workload_manifests,
)
from edge_lab.addons.workload.records import (
    ArrivedCounts,
    CollectedSample,
    SampleCounts,
    SamplerStatus,
    parse_arrived,
    parse_collected,
)

__all__ = [
    "NAMESPACE",
    "ArrivedCounts",
    "CollectedSample",
    "SampleCounts",
    "SamplerStatus",
    "WorkloadClient",
    "parse_arrived",
    "parse_collected",
    "sampled_devices",
    "sampling_nodes",
    "workload_manifests",
]
