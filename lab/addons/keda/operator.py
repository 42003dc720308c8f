"""KEDA's operator: its command line and its unit.

https://github.com/kedacore/keda, v2.21.0, cmd/operator. Like the rest of the control plane it runs
outside pods. It scales from 0 to 1 and back by itself. Its metrics adapter, which a HorizontalPod-
Autoscaler needs for more than one replica, and its admission webhooks are programs of their own and
do not run here.
"""

from __future__ import annotations

from edge_lab.addons.functions.names import NAMESPACE as FUNCTIONS_NAMESPACE
from edge_lab.addons.keda.names import (
    EVENTING,
    GROUP,
    NAMESPACE,
    OPERATOR,
    SCALED_OBJECTS,
    VERSION,
)
from edge_lab.addons.keda.place import Place
from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.stacks.unit import Service

NAMESPACED = {
    GROUP: (SCALED_OBJECTS, "scaledjobs", "triggerauthentications"),
    EVENTING: ("cloudeventsources",),
}
CLUSTER_WIDE = {
    GROUP: ("clustertriggerauthentications",),
    EVENTING: ("clustercloudeventsources",),
}
"""Kinds that it watches, by group."""
KINDS = (
    *(f"{VERSION}/{kind}" for kind in (*NAMESPACED[GROUP], *CLUSTER_WIDE[GROUP])),
    *(f"{EVENTING}/v1alpha1/{kind}" for kind in (*NAMESPACED[EVENTING], *CLUSTER_WIDE[EVENTING])),
)
"""Kinds that it needs at its start, as `group/version/resource`: it ends without one of them."""
MEMORY_MIB = 96
"""Soft limit of its Go heap (GOMEMLIMIT)."""


def operator_command(place: Place) -> tuple[str, ...]:
    return (
        place.program,
        f"--kubeconfig={place.kubeconfig}",
        "--leader-elect=false",
        f"--metrics-bind-address={place.metrics}",
        f"--health-probe-bind-address={place.health}",
        f"--metrics-service-bind-address={place.metrics_service}",
        # Certificates are the lab's, and there is nothing to patch with them.
        "--enable-cert-rotation=false",
        "--enable-webhook-patching=false",
        "--enable-apiservice-patching=false",
        f"--cert-dir={place.files}",
        "--zap-log-level=info",
        "--zap-encoder=console",
        "--zap-time-encoding=rfc3339",
    )


def environment() -> dict[str, str]:
    return {
        "GOMEMLIMIT": f"{MEMORY_MIB}MiB",
        "WATCH_NAMESPACE": FUNCTIONS_NAMESPACE,
        "POD_NAMESPACE": NAMESPACE,
        "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
    }


def operator_service(place: Place, before: tuple[str, ...], api: str) -> Service:
    """`before` is a command that returns when its kinds exist, `api` the unit of the API server."""
    return Service(
        name=OPERATOR,
        description="KEDA operator",
        command=operator_command(place),
        after=("systemd-networkd.service", api),
        before_start=(before,),
        environment=environment(),
        mounts=(str(PAYLOAD_MOUNT),),
    )
