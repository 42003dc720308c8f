"""KubeEdge's controller manager: its command line and its unit.

https://github.com/kubeedge/kubeedge, v1.23.1, cloud/cmd/controllermanager. It gives a job its list
of nodes, follows their phases, and applies the job's timeout; cloudcore sends the job's actions to
the nodes, and receives their results. Like the rest of the control plane it runs outside pods.
"""

from __future__ import annotations

from edge_lab.addons.nodejobs.names import (
    APPS_GROUP,
    APPS_KINDS,
    MANAGER,
    NODE_JOB_KINDS,
    VERSION,
)
from edge_lab.addons.nodejobs.place import Place
from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.stacks.unit import Service

KINDS = (
    *(f"{VERSION}/{kind}" for kind in NODE_JOB_KINDS),
    *(f"{APPS_GROUP}/v1alpha1/{kind}" for kind in APPS_KINDS),
)
"""Kinds that it needs at its start, as `group/version/resource`: it ends without one of them."""
MEMORY_MIB = 64
"""Soft limit of its Go heap (GOMEMLIMIT)."""


def manager_command(place: Place) -> tuple[str, ...]:
    return (place.program, f"--health-probe-bind-address={place.health}")


def environment(place: Place) -> dict[str, str]:
    """It takes its kubeconfig from a variable: it does not register the flag."""
    return {"GOMEMLIMIT": f"{MEMORY_MIB}MiB", "KUBECONFIG": place.kubeconfig}


def manager_service(place: Place, before: tuple[str, ...], api: str) -> Service:
    """`before` is a command that returns when its kinds exist, `api` the unit of the API server."""
    return Service(
        name=MANAGER,
        description="KubeEdge controller manager",
        command=manager_command(place),
        after=("systemd-networkd.service", api),
        before_start=(before,),
        environment=environment(place),
        mounts=(str(PAYLOAD_MOUNT),),
    )
