"""Hostile pods as manifests: bound to their node by name, and run once.

Their output is read from the node's log files, so they need no exec. The arguments of
`edge-hostile` (images/go/hostile) select what they try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_lab.addons.hostile.image import IMAGE, PROGRAM_PATH
from edge_lab.addons.hostile.settings import RUNTIME_CLASS, Setting, security_context
from edge_lab.addons.workload import NAMESPACE
from edge_lab.cluster.objects import Manifest

CONTAINER = "hostile"
LABEL = "edge-lab-hostile"
"""Label `app` of all hostile pods."""
PERMISSION = ("EDGE_LAB_HOSTILE", "in-a-pod-of-a-lab")
"""The environment variable that the program requires before it tries anything."""
MOUNT = "/mnt/host"
"""Where a folder of the node is mounted in a pod, unless it has several."""
_SECRET = "/mnt/secret"  # noqa: S105 - a folder


@dataclass(frozen=True)
class HostFolder:
    """A folder of the node that is mounted into a pod."""

    path: str
    """On the node, where it must exist."""
    mount: str = MOUNT
    """In the pod."""


@dataclass(frozen=True)
class HostilePod:
    """One pod, from which a manifest is made."""

    name: str
    node: str
    setting: Setting
    args: tuple[str, ...]
    runtime_class: str | None = None
    """None for the node's default runtime."""
    host_pid: bool = False
    host_network: bool = False
    token: bool = False
    """Whether the token of its service account is mounted, at the usual path."""
    service_account: str = "default"
    host_folders: tuple[HostFolder, ...] = ()
    secret: str = ""
    """A Secret of its namespace that it has as a volume."""
    restarts: bool = False
    """Whether it is restarted when it has ended, such as by a reboot."""
    memory_mib: int = 256
    """The limit; 0 for none. In gVisor it includes the sandbox itself."""
    cpu_milli: int = 0
    """Thousandths of a CPU, as a limit; 0 for none."""
    storage_mib: int = 0
    """The limit of ephemeral storage: what it writes to its root, and its log; 0 for none."""

    def _limits(self) -> dict[str, str]:
        wanted = {
            "memory": (self.memory_mib, "Mi"),
            "cpu": (self.cpu_milli, "m"),
            "ephemeral-storage": (self.storage_mib, "Mi"),
        }
        return {name: f"{number}{unit}" for name, (number, unit) in wanted.items() if number}

    def manifest(self) -> Manifest:
        """The object."""
        variable, value = PERMISSION
        container: dict[str, Any] = {
            "name": CONTAINER,
            "image": IMAGE,
            "imagePullPolicy": "Never",
            "command": [PROGRAM_PATH, *self.args],
            "env": [{"name": variable, "value": value}],
            "resources": {"limits": self._limits()},
            "securityContext": security_context(self.setting),
        }
        spec: dict[str, Any] = {
            "nodeName": self.node,
            "restartPolicy": "Always" if self.restarts else "Never",
            "hostPID": self.host_pid,
            "hostNetwork": self.host_network,
            "serviceAccountName": self.service_account,
            "automountServiceAccountToken": self.token,
            "enableServiceLinks": False,
            "dnsPolicy": "Default",
            "terminationGracePeriodSeconds": 5,
            "tolerations": [{"operator": "Exists"}],
            "containers": [container],
        }
        if self.runtime_class is not None:
            spec["runtimeClassName"] = self.runtime_class
        mounts: list[dict[str, Any]] = []
        volumes: list[dict[str, Any]] = []
        for index, folder in enumerate(self.host_folders):
            name = f"host-{index}"
            mounts.append({"name": name, "mountPath": folder.mount})
            path = {"path": folder.path, "type": "Directory"}
            volumes.append({"name": name, "hostPath": path})
        if self.secret:
            mounts.append({"name": "secret", "mountPath": _SECRET, "readOnly": True})
            volumes.append({"name": "secret", "secret": {"secretName": self.secret}})
        if volumes:
            container["volumeMounts"] = mounts
            spec["volumes"] = volumes
        labels = {"app": LABEL, "app.kubernetes.io/part-of": "edge-lab"}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "namespace": NAMESPACE, "labels": labels},
            "spec": spec,
        }


def facts_pod(
    node: str,
    setting: Setting,
    runtime_class: str | None,
    *,
    name: str = "",
    restarts: bool = False,
) -> HostilePod:
    """A pod that reports what it sees, and runs until it is terminated."""
    chosen = name or f"facts-{setting.slug}-{node}"
    args = ("facts", "--tag", chosen, "--hold")
    return HostilePod(chosen, node, setting, args, runtime_class, restarts=restarts)


def attempts_pod(
    node: str,
    setting: Setting,
    runtime_class: str | None,
    *,
    options: Sequence[str] = (),
    what: str = "attempts",
    **more: Any,
) -> HostilePod:
    """A pod that makes all attempts, or those that the options select, and ends."""
    name = f"{what}-{setting.slug}-{node}"
    return HostilePod(name, node, setting, ("attempts", *options), runtime_class, **more)


def bomb_pod(
    node: str,
    setting: Setting,
    runtime_class: str | None,
    kind: str,
    limit: int,
    *,
    options: Sequence[str] = (),
    what: str = "bomb",
    **more: Any,
) -> HostilePod:
    """A pod that exhausts a resource, up to `limit`."""
    name = f"{what}-{kind}-{setting.slug}-{node}"
    args = ("bomb", kind, "--limit", str(limit), *options)
    return HostilePod(name, node, setting, args, runtime_class, **more)


def runtime_class_of(setting: Setting, *, resolved: bool) -> str | None:
    """The RuntimeClass of a setting's pod, if the node's edge runtime supports RuntimeClass."""
    return RUNTIME_CLASS if setting.sandboxed and resolved else None
