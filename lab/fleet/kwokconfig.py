"""kwok's configuration: the behaviour of hollow nodes, their pods and their twins (Stages)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from edge_lab.addons.twins.names import API_VERSION
from edge_lab.fleet.hollow import ANNOTATION, LABEL, VALUE

STATUS_MS = (300_000, 450_000)
"""A kubelet reports its status every five minutes, and up to half as long later, if nothing has
changed (nodeStatusReportFrequency)."""

_CONDITIONS = """\
conditions:
{{ range tuple "MemoryPressure" "DiskPressure" "PIDPressure" }}
- {type: {{ . }}, status: "False", reason: Hollow, TIMES}
{{ end }}
- {type: Ready, status: "True", reason: KubeletReady, TIMES}
"""
_HEARTBEAT = _CONDITIONS.replace("TIMES", "lastHeartbeatTime: {{ Now | Quote }}")
_TRANSITION = _HEARTBEAT.replace(
    "lastHeartbeatTime", "lastTransitionTime: {{ Now | Quote }}, lastHeartbeatTime"
)

_NODE = f"""\
{_TRANSITION}
capacity: {{cpu: "4", memory: 2Gi, pods: "110"}}
allocatable: {{cpu: "4", memory: 2Gi, pods: "110"}}
nodeInfo:
  architecture: arm64
  bootID: ""
  containerRuntimeVersion: hollow
  kernelVersion: hollow
  kubeProxyVersion: ""
  kubeletVersion: hollow
  machineID: ""
  operatingSystem: linux
  osImage: hollow
  systemUUID: ""
"""

_POD = """\
phase: Running
startTime: {{ Now | Quote }}
conditions:
{{ range tuple "PodScheduled" "Initialized" "ContainersReady" "Ready" }}
- {type: {{ . }}, status: "True", lastTransitionTime: {{ Now | Quote }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  state: {running: {startedAt: {{ Now | Quote }}}}
{{ end }}
"""

_TWIN = """\
state: online
lastOnlineTime: {{ Now | Quote }}
twins:
- propertyName: value
  reported:
    value: {{ Now | Quote }}
"""

_IS_READY = '.status.conditions.[] | select( .type == "Ready" ) | .status'


def kwok_command(kwok: Path, kubeconfig: Path, config: Path) -> list[str]:
    return [str(kwok), f"--kubeconfig={kubeconfig}", f"--config={config}", "--v=WARN"]


def kwok_config(*, lease_s: int, parallel: int, twin_every_s: float | None = None) -> str:
    """YAML for `kwok --config`.

    Args:
        lease_s: Duration of a lease, in which it is renewed four times.
        parallel: Maximum nodes that wait for a response at a time: as many as there are, since a
            kubelet does not wait for another one.
        twin_every_s: Interval at which each twin is reported; None in a cluster without twins,
            since kwok does not start with an unknown kind.
    """
    options = {
        "manageAllNodes": False,
        "manageNodesWithAnnotationSelector": f"{ANNOTATION}=fake",
        "nodeLeaseDurationSeconds": lease_s,
        "nodeLeaseParallelism": parallel,
        "nodePlayStageParallelism": parallel,
        "podPlayStageParallelism": parallel,
        "podsOnNodeSyncParallelism": 4,
    }
    documents: list[dict[str, Any]] = [
        {
            "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
            "kind": "KwokConfiguration",
            "options": options,
        },
        _stage("node-ready", "v1", "Node", _NODE, [_no(_IS_READY, "True")]),
        _stage("node-status", "v1", "Node", _HEARTBEAT, [_in(_IS_READY, "True")], STATUS_MS),
        _stage(
            "pod-ready",
            "v1",
            "Pod",
            _POD,
            [_absent(".metadata.deletionTimestamp"), _in(".status.phase", "Pending")],
        ),
        _stage("pod-gone", "v1", "Pod", "", [_present(".metadata.deletionTimestamp")]),
    ]
    if twin_every_s is not None:
        period = round(twin_every_s * 900), round(twin_every_s * 1100)
        twin = _stage("twin-reported", API_VERSION, "DeviceStatus", _TWIN, [], period)
        # It has no subresource for its status.
        twin["spec"]["next"] = {"patches": [{"root": "status", "type": "merge", "template": _TWIN}]}
        documents.append(twin)
    return str(yaml.safe_dump_all(documents, sort_keys=False))


def _stage(
    name: str,
    group: str,
    kind: str,
    status: str,
    chosen: list[dict[str, Any]],
    delay_ms: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """A Stage that sets the status, or, without one, deletes the object."""
    selector: dict[str, Any] = {"matchExpressions": chosen} if chosen else {}
    if kind != "Node":  # nodes are selected by their annotation
        selector["matchLabels"] = {LABEL: VALUE}
    spec: dict[str, Any] = {
        "resourceRef": {"apiGroup": group, "kind": kind},
        "selector": selector,
        "next": {"statusTemplate": status} if status else {"delete": True},
    }
    if delay_ms is not None:
        least, most = delay_ms
        spec["delay"] = {"durationMilliseconds": least, "jitterDurationMilliseconds": most}
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": spec,
    }


def _in(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": [value]}


def _no(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "operator": "NotIn", "values": [value]}


def _present(key: str) -> dict[str, Any]:
    return {"key": key, "operator": "Exists"}


def _absent(key: str) -> dict[str, Any]:
    return {"key": key, "operator": "DoesNotExist"}
