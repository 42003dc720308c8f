"""The settings of a hostile pod: its container runtime and its security context."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from edge_lab.addons.gvisor.names import GVISOR

RUNTIME_CLASS = GVISOR
"""The name of the RuntimeClass object of the add-on `gvisor`."""


class Setting(StrEnum):
    """A runtime, and the security context of the pod's container."""

    RUNC_DEFAULT = "runc default"
    """No security context at all."""
    RUNC_RESTRICTED = "runc restricted"
    """As the Pod Security Standard `restricted` requires: a user other than root, no capabilities,
    the container runtime's seccomp profile."""
    RUNC_PRIVILEGED = "runc privileged"
    GVISOR_DEFAULT = "gvisor default"
    GVISOR_PRIVILEGED = "gvisor privileged"
    MICROVM = "QEMU microVM"
    """The pod's own process is QEMU, restricted as above. The hostile program is root in the
    machine that it runs, with its own kernel."""

    @property
    def sandboxed(self) -> bool:
        """Whether it should run under gVisor."""
        return self in (Setting.GVISOR_DEFAULT, Setting.GVISOR_PRIVILEGED)

    @property
    def slug(self) -> str:
        """For names of pods."""
        return self.value.lower().replace(" ", "-")


CONTAINER_SETTINGS: tuple[Setting, ...] = tuple(
    setting for setting in Setting if setting is not Setting.MICROVM
)
"""The settings in which the program runs in the container directly."""


def security_context(setting: Setting) -> dict[str, Any]:
    """The container's `securityContext`."""
    if setting in (Setting.RUNC_PRIVILEGED, Setting.GVISOR_PRIVILEGED):
        return {"privileged": True}
    if setting in (Setting.RUNC_RESTRICTED, Setting.MICROVM):
        return {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    return {}
