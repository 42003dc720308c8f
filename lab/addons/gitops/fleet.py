"""The content of the repository: parts of a fleet, each with its revision.

A part's revision is in the arguments of its container, so that a change needs no new image, and the
node itself shows which one it runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from edge_lab.addons.gitops.names import FOLDER, NAMESPACE
from edge_lab.addons.witness import PART_LABEL
from edge_lab.addons.workload.manifests import IMAGE
from edge_lab.cluster.objects import Manifest
from edge_lab.core.yamltext import yaml_text

NO_SUCH_IMAGE = "edge-lab.local/no-such-image:1"


class Update(StrEnum):
    """The update strategy of a part's DaemonSet."""

    DEFAULT = "one unavailable"
    """Kubernetes' default, one node at a time: all others wait for a node that is offline."""
    ALL = "all unavailable"
    """maxUnavailable above the number of nodes: no node waits for another, and the part is down on
    each until the new revision has started."""
    SURGE = "one more"
    """maxSurge 100 %: the old revision is removed when the new one is Ready."""


ALL_NODES = 100
"""More than the number of nodes. A percentage would be of the schedulable nodes, while unreachable
ones count as unavailable: of two nodes with one unreachable, 100 % is one, which the unreachable
one uses up (Kubernetes 1.34.4, pkg/controller/daemon/update.go, updatedDesiredNodeCounts)."""

_STRATEGIES: Mapping[Update, Mapping[str, Any] | None] = {
    Update.DEFAULT: None,
    Update.ALL: {"maxUnavailable": ALL_NODES},
    Update.SURGE: {"maxUnavailable": 0, "maxSurge": "100%"},
}


@dataclass(frozen=True)
class Part:
    """A DaemonSet on edge nodes, with one process."""

    name: str
    update: Update = Update.ALL
    image: str = IMAGE


AGENT, HELPER = Part("agent"), Part("helper")
"""They change together: one revision is both."""
STRICT, SURGING = Part("strict", Update.DEFAULT), Part("surging", Update.SURGE)


class Fault(StrEnum):
    """Defects of a commit."""

    NONE = "none"
    UNREADABLE = "unreadable"
    """Invalid YAML: nothing of it can be applied."""
    REFUSED = "refused"
    """One of its objects is refused by the API server."""
    NO_IMAGE = "no image"
    """Its image does not exist: it is applied, but no container starts."""


@dataclass(frozen=True)
class Revision:
    """One state of the whole fleet."""

    name: str
    nodes: tuple[str, ...]
    parts: tuple[Part, ...] = (AGENT, HELPER)
    fault: Fault = Fault.NONE
    deployments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Deployments of one pod: the node of each, by name."""

    def files(self) -> dict[str, str]:
        """The tree of its commit."""
        parts = self.parts
        if self.fault is Fault.NO_IMAGE:
            parts = tuple(replace(part, image=NO_SUCH_IMAGE) for part in parts)
        found: dict[str, str] = {
            "settings": yaml_text(self._settings()),
            **{part.name: yaml_text(daemon_set(part, self.name, self.nodes)) for part in parts},
            **{
                name: yaml_text(bound_deployment(name, self.name, node))
                for name, node in self.deployments.items()
            },
        }
        if self.fault is Fault.UNREADABLE:
            found[parts[-1].name] = "kind: DaemonSet\n  metadata: [\n"
        if self.fault is Fault.REFUSED:
            bad = daemon_set(parts[-1], self.name, self.nodes)
            bad["spec"]["template"]["spec"]["restartPolicy"] = "Sometimes"
            found[parts[-1].name] = yaml_text(bad)
        return {f"{FOLDER}/{name}.yaml": text for name, text in found.items()}

    def _settings(self) -> Manifest:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": NAMESPACE},
            "data": {"revision": self.name},
        }


def daemon_set(part: Part, revision: str, nodes: Sequence[str]) -> dict[str, Any]:
    labels = {"app": part.name, PART_LABEL: part.name}
    strategy = _STRATEGIES[part.update]
    rolling = {} if strategy is None else {"rollingUpdate": dict(strategy)}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": part.name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"app": part.name}},
            "updateStrategy": {"type": "RollingUpdate", **rolling},
            "template": _template(part.name, revision, part.image, labels, nodes),
        },
    }


def bound_deployment(name: str, revision: str, node: str) -> dict[str, Any]:
    """One pod that can only run on `node`."""
    labels = {"app": name, PART_LABEL: name}
    template = _template(name, revision, IMAGE, labels, ())
    template["spec"]["nodeName"] = node
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": template,
        },
    }


def _template(
    name: str, revision: str, image: str, labels: Mapping[str, str], nodes: Sequence[str]
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {
                "name": "main",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                # The program ignores unknown arguments; the witness reads them.
                "command": ["/edge", "pause", f"part={name}", f"revision={revision}"],
            }
        ],
    }
    if nodes:
        terms = [{"key": "kubernetes.io/hostname", "operator": "In", "values": list(nodes)}]
        required = {"nodeSelectorTerms": [{"matchExpressions": terms}]}
        spec["affinity"] = {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}
        }
    return {
        "metadata": {"labels": dict(labels), "annotations": {"edge-lab.local/revision": revision}},
        "spec": spec,
    }


def revision_of(template: Mapping[str, Any]) -> str:
    """The revision in the arguments of a pod, or a pod template; empty if there is none."""
    words = template["spec"]["containers"][0].get("command", ())
    found = [word.removeprefix("revision=") for word in words if word.startswith("revision=")]
    return found[0] if found else ""
