"""Pods whose images come from the registry."""

from __future__ import annotations

from typing import Any

from edge_lab.addons.cache.content import IMAGES, LabImage
from edge_lab.addons.cache.names import REGISTRY_NAME
from suites.pods import bound_pod

APP = "edge-lab-cache"


def image_named(name: str) -> LabImage:
    (found,) = [image for image in IMAGES if image.name == name]
    return found


def image_pod(
    name: str,
    node: str,
    image: str,
    *,
    registry: str = REGISTRY_NAME,
    policy: str = "IfNotPresent",
    **spec: Any,
) -> dict[str, Any]:
    """A pod that waits forever, bound to `node`; no taint evicts it. `spec` is added to its
    specification."""
    container = {
        "image": image_named(image).reference(registry),
        "imagePullPolicy": policy,
        "resources": {"limits": {"memory": "32Mi"}},
    }
    return bound_pod(name, node, APP, container, **spec)
