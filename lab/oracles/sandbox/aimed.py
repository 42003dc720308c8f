"""Expected outcomes of attempts whose target is not the kernel, by target."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edge_lab.oracles.sandbox.expected import Row, by_runtime, reached, row, same
from edge_lab.oracles.sandbox.expected import turned_away as away

_NOBODY = away("ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT")
_NOTHING_STOPS = "nothing stands between pods and it: no network policy is enforced"
_MOUNTED = "a sandbox does not protect what is mounted into it"

METADATA: Mapping[str, Row] = MappingProxyType(
    {"tcp-metadata": same("connect to a cloud's metadata service, 169.254.169.254", _NOBODY)}
)
MANAGEMENT_PATH: Mapping[str, Row] = MappingProxyType(
    {
        "tcp-management": same(
            "connect to sshd of the node by its management address",
            away("ETIMEDOUT", note="the node drops what comes in by another NIC: docs/walls.md"),
        )
    }
)
NEEDS_THE_SERVICE = tuple(METADATA)
"""Reached if there is such a service, which a control adds to the node."""


def on_loopback(endpoint: str) -> Row:
    """For an agent that listens only on its node's loopback, which is not the pod's."""
    return same(f"connect to {endpoint} by loopback, which is the pod's own", away("ECONNREFUSED"))


def with_host_network(service: str) -> Row:
    """For a service that only the node's own programs can reach, tried with `hostNetwork`."""
    return by_runtime(
        f"connect to {service} as a program of the node does, with hostNetwork",
        reached("such a pod is in the node's network"),
        away("ENETUNREACH", "EHOSTUNREACH", note="the sandbox has no interface at all"),
    )


def on_the_wire(endpoint: str) -> Row:
    """For an endpoint that listens on an address of its node."""
    return same(
        f"connect to {endpoint} by the node's address",
        reached("who connects has to show who it is: docs/identity.md"),
    )


DEVICE: Mapping[str, Row] = MappingProxyType(
    {
        "tcp-device": same("connect to a device", reached(_NOTHING_STOPS)),
        "modbus-write": same(
            "write a register of a device that the pod has nothing to do with",
            reached(f"Modbus asks nobody who they are, and {_NOTHING_STOPS}"),
        ),
    }
)
API: Mapping[str, Row] = MappingProxyType(
    {
        "api-version": same(
            "ask the API server for its version with the pod's token", reached("anyone may")
        ),
        "api-nodes": same("list nodes with the pod's token", away("HTTP 403")),
        "api-pods": same("list pods of all namespaces with the pod's token", away("HTTP 403")),
        "api-secrets": same("list Secrets with the pod's token", away("HTTP 403")),
    }
)
NEEDS_A_ROLE = ("api-nodes", "api-pods", "api-secrets")
"""Reached by a pod whose service account has the role for it, as a control shows."""
BESIDE_THE_MOUNT = (
    "host-path-parent",
    "host-path-symlink",
    "host-path-hardlink",
    "host-path-race",
    "host-path-swap",
)
"""Reached by a pod in which the folder above is mounted, as a control shows."""

HOST_PATH: Mapping[str, Row] = MappingProxyType(
    {
        "host-path-read": same("read a file of a folder of the node that is mounted", reached()),
        "host-path-write": row(
            "write a file there",
            reached(),
            away("EACCES", note="the folder is root's"),
            reached(),
            reached(_MOUNTED),
            reached(_MOUNTED),
        ),
        "host-path-mknod": row(
            "mknod there",
            reached("the node's own programs could open it"),
            away("EPERM", "EACCES"),
            reached(),
            away("EPERM"),
            away("EPERM"),
        ),
        "host-path-parent": same("read what lies beside the folder, by `..`", away("ENOENT")),
        "host-path-symlink": row(
            "read it by a symbolic link",
            away("ENOENT"),
            away("EACCES", note="the folder is root's"),
            away("ENOENT"),
            away("ENOENT"),
            away("ENOENT"),
        ),
        "host-path-hardlink": row(
            "read it by a hard link",
            away("ENOENT"),
            away("ENOENT", "EACCES"),
            away("ENOENT"),
            away("ENOENT"),
            away("ENOENT"),
        ),
        "host-path-race": row(
            "read it by `..` through a folder that is moved meanwhile",
            away("ENOENT"),
            away("EACCES", note="the folder is root's"),
            away("ENOENT"),
            away("ENOENT"),
            away("ENOENT"),
        ),
        "host-path-swap": row(
            "read it by a name that is by turns a file and a symbolic link",
            away("ENOENT"),
            away("EACCES", note="the folder is root's"),
            away("ENOENT"),
            away("ENOENT"),
            away("ENOENT"),
        ),
    }
)
RUNTIME_SOCKET: Mapping[str, Row] = MappingProxyType(
    {
        "unix-containerd": by_runtime(
            "connect to containerd's socket in a folder that is mounted",
            reached("who speaks to it has the node"),
            away("ECONNREFUSED", note="--host-uds=none"),
        )
    }
)
