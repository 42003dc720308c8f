"""Whether a kubelet mounted a subpath of a volume into a container."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

_REASONS = ("CreateContainerConfigError",)
_WORDS = "subPath"


class Mounted(StrEnum):
    STARTED = "the container runs, with the mount"
    REFUSED = "the kubelet has refused the mount"


def mounted(pod: Mapping[str, Any]) -> Mounted | None:
    """The result by the status of `pod`; None while there is none. A container that waits for
    something else was not refused."""
    for container in pod.get("status", {}).get("containerStatuses", ()):
        state = container.get("state", {})
        if "running" in state or "terminated" in state:
            return Mounted.STARTED
        waiting = state.get("waiting", {})
        if waiting.get("reason") in _REASONS and _WORDS in waiting.get("message", ""):
            return Mounted.REFUSED
    return None
