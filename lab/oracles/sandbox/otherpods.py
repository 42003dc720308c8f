"""Expected outcomes of attempts at other pods of the node, and at the credentials of the node:
from the sources of Linux, Kubernetes and gVisor, and measured on emulated x86_64 and aarch64
nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from edge_lab.addons.hostile.settings import Setting
from edge_lab.oracles.sandbox.expected import Expected, Row, reached, refused, row, same

_NET_RAW = "CAP_NET_RAW is one of the default capabilities, and the bridge does not verify senders"
_NO_NET_RAW = "runsc takes CAP_NET_RAW away (--net-raw=false), from privileged pods too"
_OTHERS_ABSENT = "a pod sees only its own processes"
_SANDBOX_ALONE = "with hostPID too, a sandbox sees only its own processes"
_NOT_MOUNTED = "it is not mounted into the pod"
_SAME_RIGHTS = (
    "the same user and no fewer capabilities, which is enough where Yama's ptrace_scope is 0"
)
_ANOTHER_USER = "the other pod's process is root's"


def _spoofing(title: str) -> Row:
    return row(
        title,
        reached(_NET_RAW),
        refused("EPERM"),
        reached(),
        refused("EPERM", note=_NO_NET_RAW),
        refused("EPERM", note=_NO_NET_RAW),
    )


POD_NETWORK: Mapping[str, Row] = MappingProxyType(
    {
        "arp-spoof": _spoofing("the node sends another pod's packets to this one (ARP)"),
        "ip-spoof": _spoofing("a datagram with another pod's address as its source arrives"),
    }
)
"""The node shows whether they had an effect: `edge_lab.oracles.sandbox.spoofing`."""

_NONE = refused("ESRCH", note=_OTHERS_ABSENT)
NEIGHBOUR: Mapping[str, Row] = MappingProxyType(
    {
        "seize-neighbour": same("ptrace of another pod's process", _NONE),
        "memory-neighbour": same("read the memory of another pod's process", _NONE),
        "token-neighbour": same("read another pod's token by /proc/PID/root", _NONE),
    }
)
NEEDS_HOST_PID: Mapping[str, str] = MappingProxyType(
    {name: name.replace("neighbour", "host-pid") for name in NEIGHBOUR}
)
"""Reached by a pod with hostPID, as its rows in `HOST_PID` show."""


def _with_host_pid(title: str, refusal: str) -> Row:
    return row(
        f"{title}, with hostPID",
        reached(_SAME_RIGHTS),
        refused(refusal, note=_ANOTHER_USER),
        reached("CAP_SYS_PTRACE"),
        refused("ESRCH", note=_SANDBOX_ALONE),
        refused("ESRCH", note=_SANDBOX_ALONE),
    )


HOST_PID: Mapping[str, Row] = MappingProxyType(
    {
        "seize-host-pid": _with_host_pid("ptrace of another pod's process", "EPERM"),
        "memory-host-pid": _with_host_pid("read the memory of another pod's process", "EPERM"),
        "token-host-pid": _with_host_pid("read another pod's token by /proc/PID/root", "EACCES"),
    }
)
"""Of a pod with hostPID, on a node whose ptrace_scope is 0; see `host_pid_rows`."""
_TRACING = ("seize-host-pid", "memory-host-pid")


def host_pid_rows(ptrace_scope: int) -> Mapping[str, Row]:
    """`HOST_PID` for a node with that kernel.yama.ptrace_scope.

    From 1 on only a tracer with CAP_SYS_PTRACE may attach to a process that is not its descendant,
    and with 3 none may attach. Yama restricts PTRACE_MODE_ATTACH, which process_vm_readv(2) needs
    too, but not PTRACE_MODE_READ, which is enough for /proc/PID/root
    (Documentation/admin-guide/LSM/Yama.rst of Linux, ptrace(2)).
    """
    if ptrace_scope == 0:
        return HOST_PID
    denied = refused("EPERM", note=f"Yama's ptrace_scope is {ptrace_scope}")
    changed = dict(HOST_PID)
    for name in _TRACING:
        expects = dict(HOST_PID[name].expects)
        expects[Setting.RUNC_DEFAULT] = denied
        if ptrace_scope > 2:
            expects[Setting.RUNC_PRIVILEGED] = denied
        changed[name] = replace(HOST_PID[name], expects=MappingProxyType(expects))
    return MappingProxyType(changed)


CREDENTIALS: Mapping[str, Row] = MappingProxyType(
    {
        "kubelet-token": same(
            "read another pod's token in the kubelet's folder", refused("ENOENT", note=_NOT_MOUNTED)
        ),
        "node-key": same(
            "read the node's key for the API server", refused("ENOENT", note=_NOT_MOUNTED)
        ),
        "api-token-request": same(
            "request a token of another service account with the pod's token", refused("HTTP 403")
        ),
    }
)
NEEDS_THE_KUBELETS_FOLDER = ("kubelet-token", "node-key")
"""Reached by a pod in which the kubelet's folder is mounted, as a control shows."""
NEEDS_TO_REQUEST = ("api-token-request",)
"""Reached by a pod whose service account may create tokens, as the same control shows."""

_UNREADABLE = refused("EACCES", note="the key is root's")


def _with_the_key(title: str, expected: Expected) -> Row:
    return row(title, expected, _UNREADABLE, expected, expected, expected)


NODE_KEY: Mapping[str, Row] = MappingProxyType(
    {
        "node-secret-own": _with_the_key(
            "read a Secret of a pod of the node with the node's key",
            reached("the Node authorizer grants it to the node, and so to whoever has its key"),
        ),
        "node-secret-other": _with_the_key(
            "read a Secret of another node's pod with the node's key",
            refused("HTTP 403", note="the Node authorizer knows no pod of this node that has it"),
        ),
    }
)
"""Of a pod in which the kubelet's folder is mounted."""
