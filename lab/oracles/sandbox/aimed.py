"""Expected outcomes of attempts whose target is not the kernel, by target."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edge_lab.oracles.sandbox.expected import Row, by_runtime, reached, refused, row, same

_UNREACHABLE = refused("ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT")
_NO_POLICY = "no network policy is enforced"
_MOUNTED = "a sandbox does not protect what is mounted into it"

METADATA: Mapping[str, Row] = MappingProxyType(
    {"tcp-metadata": same("connect to a cloud's metadata service, 169.254.169.254", _UNREACHABLE)}
)
MANAGEMENT_PATH: Mapping[str, Row] = MappingProxyType(
    {
        "tcp-management": same(
            "connect to sshd of the node by its management address",
            refused("ETIMEDOUT", note="the node drops such packets from other NICs: docs/walls.md"),
        )
    }
)
NEEDS_THE_SERVICE = tuple(METADATA)
"""Reached if there is such a service, which a control adds to the node."""


def on_loopback(endpoint: str) -> Row:
    """For an agent that listens only on its node's loopback, which is not the pod's."""
    return same(
        f"connect to {endpoint} by loopback, which is the pod's own", refused("ECONNREFUSED")
    )


def with_host_network(service: str) -> Row:
    """For a service that only the node's own programs can reach, tried with `hostNetwork`."""
    return by_runtime(
        f"connect to {service} as a program of the node does, with hostNetwork",
        reached("such a pod is in the node's network"),
        refused("ENETUNREACH", "EHOSTUNREACH", note="the sandbox has no interface at all"),
    )


def on_the_wire(endpoint: str) -> Row:
    """For an endpoint that listens on an address of its node."""
    return same(
        f"connect to {endpoint} by the node's address",
        reached("clients must authenticate: docs/identity.md"),
    )


DEVICE: Mapping[str, Row] = MappingProxyType(
    {
        "tcp-device": same("connect to a device", reached(_NO_POLICY)),
        "modbus-write": same(
            "write a register of a device that the pod does not use",
            reached(f"Modbus has no authentication, and {_NO_POLICY}"),
        ),
    }
)
API: Mapping[str, Row] = MappingProxyType(
    {
        "api-version": same(
            "ask the API server for its version with the pod's token",
            reached("every service account may"),
        ),
        "api-nodes": same("list nodes with the pod's token", refused("HTTP 403")),
        "api-pods": same("list pods of all namespaces with the pod's token", refused("HTTP 403")),
        "api-secrets": same("list Secrets with the pod's token", refused("HTTP 403")),
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
            refused("EACCES", note="the folder is root's"),
            reached(),
            reached(_MOUNTED),
            reached(_MOUNTED),
        ),
        "host-path-mknod": row(
            "mknod there",
            reached("the node's own programs could open it"),
            refused("EPERM", "EACCES"),
            reached(),
            refused("EPERM"),
            refused("EPERM"),
        ),
        "host-path-parent": same("read a file next to the folder, by `..`", refused("ENOENT")),
        "host-path-symlink": row(
            "read it by a symbolic link",
            refused("ENOENT"),
            refused("EACCES", note="the folder is root's"),
            refused("ENOENT"),
            refused("ENOENT"),
            refused("ENOENT"),
        ),
        "host-path-hardlink": row(
            "read it by a hard link",
            refused("ENOENT"),
            refused("ENOENT", "EACCES"),
            refused("ENOENT"),
            refused("ENOENT"),
            refused("ENOENT"),
        ),
        "host-path-race": row(
            "read it by `..` through a folder that is moved at the same time",
            refused("ENOENT"),
            refused("EACCES", note="the folder is root's"),
            refused("ENOENT"),
            refused("ENOENT"),
            refused("ENOENT"),
        ),
        "host-path-swap": row(
            "read it by a name that alternates between a file and a symbolic link",
            refused("ENOENT"),
            refused("EACCES", note="the folder is root's"),
            refused("ENOENT"),
            refused("ENOENT"),
            refused("ENOENT"),
        ),
    }
)
RUNTIME_SOCKET: Mapping[str, Row] = MappingProxyType(
    {
        "unix-runtime": by_runtime(
            "connect to the container runtime's socket in a folder that is mounted",
            reached("access to it gives control of the node"),
            refused("ECONNREFUSED", note="--host-uds=none"),
        )
    }
)
