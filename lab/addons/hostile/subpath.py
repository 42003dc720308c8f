"""Pods that try to lead a kubelet out of a volume: the `subPath` of a mount is a symbolic link that
another container of the pod created."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_lab.addons.hostile.pods import HostilePod
from edge_lab.cluster.objects import Manifest

_MOUNT, _LINK = "/mnt/volume", "way"


@dataclass(frozen=True)
class SubPathPod(HostilePod):
    """Its first container makes a link in an empty volume, and its second has the link's target
    mounted."""

    target: str = "/"
    """Of the link; a folder of the node if it is absolute and the kubelet follows it."""

    def manifest(self) -> Manifest:
        whole = super().manifest()
        spec = whole["spec"]
        (container,) = spec["containers"]
        volume = {"name": "shared", "mountPath": _MOUNT}
        inside = f"mkdir -p {_MOUNT}/inside && ln -s {self.target} {_MOUNT}/{_LINK}"
        first: dict[str, Any] = {
            **container,
            "name": "link",
            "command": ["/bin/sh", "-c", inside],
            "volumeMounts": [volume],
        }
        spec["volumes"] = [{"name": "shared", "emptyDir": {}}]
        spec["initContainers"] = [first]
        container["volumeMounts"] = [{**volume, "subPath": _LINK}]
        return whole
