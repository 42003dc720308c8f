"""Pods with forbidden settings, for an API server to refuse. They never run: a scheduling gate
holds those that are admitted."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from edge_lab.addons.hostile.image import IMAGE
from edge_lab.addons.hostile.settings import RUNTIME_CLASS, Setting, security_context
from edge_lab.cluster.objects import Manifest

ENFORCE = "pod-security.kubernetes.io/enforce"
GATE = "edge-lab.local/never"

Change = Callable[[dict[str, Any], dict[str, Any]], None]
"""Of the pod's spec, and of its container."""


def namespace_manifest(name: str, level: str) -> Manifest:
    """A namespace that enforces a level of the Pod Security Standards."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {ENFORCE: level}},
    }


def _spec(**fields: Any) -> Change:
    return lambda spec, container: spec.update(fields)


def _context(**fields: Any) -> Change:
    return lambda spec, container: container["securityContext"].update(fields)


def _without(field: str) -> Change:
    return lambda spec, container: container["securityContext"].pop(field)


def _of(setting: Setting) -> Change:
    def change(spec: dict[str, Any], container: dict[str, Any]) -> None:
        container["securityContext"] = security_context(setting)
        if setting.sandboxed:
            spec["runtimeClassName"] = RUNTIME_CLASS

    return change


def _host_path(spec: dict[str, Any], container: dict[str, Any]) -> None:
    spec["volumes"] = [{"name": "host", "hostPath": {"path": "/etc"}}]
    container["volumeMounts"] = [{"name": "host", "mountPath": "/mnt"}]


def _host_port(spec: dict[str, Any], container: dict[str, Any]) -> None:
    container["ports"] = [{"containerPort": 8080, "hostPort": 18080}]


def _adding(capability: str) -> Change:
    return _context(capabilities={"drop": ["ALL"], "add": [capability]})


REQUESTS: Mapping[str, Change] = MappingProxyType(
    {
        "as-restricted": _spec(),
        "default": _of(Setting.RUNC_DEFAULT),
        "gvisor-default": _of(Setting.GVISOR_DEFAULT),
        "gvisor-privileged": _of(Setting.GVISOR_PRIVILEGED),
        "privileged": _context(privileged=True, allowPrivilegeEscalation=True),
        "host-network": _spec(hostNetwork=True),
        "host-pid": _spec(hostPID=True),
        "host-ipc": _spec(hostIPC=True),
        "host-path": _host_path,
        "host-port": _host_port,
        "net-admin": _adding("NET_ADMIN"),
        "net-raw": _adding("NET_RAW"),
        "default-capabilities": _without("capabilities"),
        "no-seccomp": _context(seccompProfile={"type": "Unconfined"}),
        "unset-seccomp": _without("seccompProfile"),
        "root": _context(runAsUser=0),
        "maybe-root": _without("runAsNonRoot"),
        "escalation": _context(allowPrivilegeEscalation=True),
        "sysctl": _spec(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}),
    }
)
"""By the name of its row (lab/oracles/sandbox/admission.py), how a pod deviates from
`restricted`."""


def requested_pod(request: str, namespace: str) -> Manifest:
    """The pod of one row."""
    container: dict[str, Any] = {
        "name": "hostile",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "securityContext": copy.deepcopy(security_context(Setting.RUNC_RESTRICTED)),
    }
    spec: dict[str, Any] = {
        "schedulingGates": [{"name": GATE}],
        "automountServiceAccountToken": False,
        "containers": [container],
    }
    REQUESTS[request](spec, container)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"asks-{request}", "namespace": namespace},
        "spec": spec,
    }
