"""yurt-manager: its command line and its unit.

https://github.com/openyurtio/openyurt, v1.7.0, cmd/yurt-manager. Like the rest of the control plane
it runs outside pods. Its webhook server cannot be switched off: without the two webhook
configurations, or without a certificate, it ends after 20 s. Here the configurations are empty, and
it makes the certificate itself, in a folder instead of a Secret.
"""

from __future__ import annotations

from edge_lab.addons.pools.names import (
    ACCOUNTS,
    APP_SET_VERSION,
    NODE_BUCKET_VERSION,
    NODE_BUCKETS,
    NODE_POOL_VERSION,
    NODE_POOLS,
    STATE,
    YURT_APP_SETS,
    YURT_MANAGER,
)
from edge_lab.addons.pools.place import Place
from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.stacks.unit import Service

KINDS = (
    f"{NODE_POOL_VERSION}/{NODE_POOLS}",
    f"{NODE_BUCKET_VERSION}/{NODE_BUCKETS}",
    f"{APP_SET_VERSION}/{YURT_APP_SETS}",
)
"""Kinds that it needs at its start, as `group/version/resource`: it runs no controller of a missing
one."""
MEMORY_MIB = 80
"""Soft limit of its Go heap (GOMEMLIMIT)."""


def manager_command(place: Place) -> tuple[str, ...]:
    return (
        place.program,
        f"--kubeconfig={place.kubeconfig}",
        f"--controllers={','.join(ACCOUNTS)}",
        "--disable-independent-webhooks=*",
        "--leader-elect=false",
        f"--metrics-addr={place.metrics}",
        f"--health-probe-addr={place.health}",
        f"--webhook-port={place.webhook_port}",
        "--v=2",
    )


def environment(place: Place) -> dict[str, str]:
    return {
        "GOMEMLIMIT": f"{MEMORY_MIB}MiB",
        "WEBHOOK_CERT_WRITER": "fs",
        "WEBHOOK_CERT_DIR": place.webhook_keys,
        # The flag is for URLs of configurations; the server's port is this one.
        "WEBHOOK_PORT": str(place.webhook_port),
    }


def manager_service(place: Place, before: tuple[str, ...], api: str) -> Service:
    """`before` is a command that returns when its kinds exist, `api` the unit of the API server."""
    return Service(
        name=YURT_MANAGER,
        description="OpenYurt yurt-manager",
        command=manager_command(place),
        after=("systemd-networkd.service", api),
        before_start=(("/usr/bin/mkdir", "-p", place.webhook_keys), before),
        environment=environment(place),
        mounts=(str(PAYLOAD_MOUNT),),
        state_directory=STATE,
    )
