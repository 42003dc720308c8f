"""Names, ports and paths of the parts of the add-on."""

from __future__ import annotations

from typing import Final

POOLS = "pools"
"""The add-on, and the capability of an edge node that is in a node pool."""

YURT_MANAGER = "yurt-manager"
YURT_MANAGER_UNIT = f"{YURT_MANAGER}.service"
CRDS = "yurt-manager-crds"
"""Components; the unit of the first has its name."""

SERVES = "edge-lab-pools-serves"
"""The unit of the server node that has started when yurt-manager works."""
WITNESS = "edge-lab-pools-witness"
WITNESS_UNIT = f"{WITNESS}.service"

METRICS, HEALTH = "127.0.0.1:10271", "127.0.0.1:10272"
WEBHOOK_PORT = 10273
"""yurt-manager serves it on all addresses, and has no option against that."""

GROUP = "apps.openyurt.io"
NODE_POOLS, NODE_BUCKETS, YURT_APP_SETS = "nodepools", "nodebuckets", "yurtappsets"
NODE_POOL_VERSION, APP_SET_VERSION = f"{GROUP}/v1beta2", f"{GROUP}/v1beta1"
NODE_BUCKET_VERSION = f"{GROUP}/v1alpha1"
POOL_LABEL = f"{GROUP}/nodepool"
"""Label of a node with its pool, in topologies too."""
POD_POOL_LABEL = f"{GROUP}/pool-name"
"""Label of pods with the pool for which yurt-manager made them."""
TOPOLOGY_ANNOTATION, POOL_TOPOLOGY = "openyurt.io/topologyKeys", "openyurt.io/nodepool"
"""The annotation of a Service whose traffic stays in its pool, and its value."""

NAMESPACE = "edge-pools"
"""Namespace of the workload and its Services."""
MANAGER_NAMESPACE = "kube-system"
"""Namespace of the service accounts of yurt-manager's controllers: v1.7.0 takes them from here
whatever --working-namespace says."""
ACCOUNTS: Final = {
    "nodepool": f"{YURT_MANAGER}-nodepool-controller",
    "nodebucket": f"{YURT_MANAGER}-node-bucket-controller",
    "yurtappset": f"{YURT_MANAGER}-yurt-app-set-controller",
}
"""By controller that runs, the service account with whose tokens it writes."""

SITE = "site"
"""The workload: its YurtAppSet, its Service within pools, and its part in the witness's records."""
EVERYWHERE = "site-everywhere"
"""The Service of the same pods without the annotation."""

HOME = "/etc/edge-lab-pools"
STATE = "edge-lab-pools"
"""Folder of the state of all parts, below /var/lib."""
