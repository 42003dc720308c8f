"""Names, ports and paths of the parts of the add-on, and the nodes that have it."""

from __future__ import annotations

from edge_lab.stacks import Stack
from edge_lab.stacks.kubeedge import KubeEdge

NODE_JOBS = "node-jobs"
"""The add-on, and the capability of an edge node that runs jobs of KubeEdge."""

MANAGER = "controllermanager"
MANAGER_UNIT = f"{MANAGER}.service"
"""The component has the name of KubeEdge's program; the unit has it too."""
SERVES = "edge-lab-node-jobs-serves"
"""The unit of the server node that has started when the controller manager works."""

HEALTH = "127.0.0.1:10291"
METRICS_PORT = 8080
"""The controller manager serves metrics on all addresses, and has no option against that."""

GROUP = "operations.kubeedge.io"
VERSION = f"{GROUP}/v1alpha2"
PREPULL_JOBS = "imageprepulljobs"
NODE_JOB_KINDS = (PREPULL_JOBS, "configupdatejobs", "nodeupgradejobs")
APPS_GROUP = "apps.kubeedge.io"
APPS_KINDS = ("nodegroups", "edgeapplications")

HOME = "/etc/edge-lab-node-jobs"


def has_node_jobs(stack: Stack) -> bool:
    """Whether nodes of the stack can run jobs of KubeEdge."""
    return isinstance(stack.runtime, KubeEdge)
