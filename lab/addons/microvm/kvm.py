"""What `edge-kvm probe` says of a node's KVM, as data (images/go/kvm)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_lab.addons.microvm.names import PROGRAM
from edge_lab.core.errors import LabError

PROBE_COMMAND = f"{PROGRAM} probe"
"""For a shell on the node; it ends with 1 where no virtual machine can be had."""
VERSION = 12
"""Of KVM's interface: the only one that there is for programs."""


class KvmReport(BaseModel):
    """One look at /dev/kvm. A step is empty if it went well, or has an error number's name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    device: str
    arch: str
    """In Go's words."""
    open: str
    version: int
    vm: str
    """KVM_CREATE_VM."""
    vcpu: str
    """KVM_CREATE_VCPU."""
    capabilities: Mapping[str, int]
    """By name, without KVM_CAP_: those that Firecracker demands of the architecture, and what
    KVM_CHECK_EXTENSION says of each; 0 is none."""

    @property
    def works(self) -> bool:
        """Whether a machine and a CPU for it were made."""
        return self.version == VERSION and not self.troubles

    @property
    def troubles(self) -> tuple[str, ...]:
        """The steps that failed, with their error numbers."""
        steps = {"open": self.open, "KVM_CREATE_VM": self.vm, "KVM_CREATE_VCPU": self.vcpu}
        return tuple(f"{name}: {errno}" for name, errno in steps.items() if errno)

    @property
    def lacking(self) -> frozenset[str]:
        """What Firecracker would miss."""
        return frozenset(name for name, value in self.capabilities.items() if not value)

    def __str__(self) -> str:
        if not self.works:
            return f"{self.device}: {', '.join(self.troubles) or f'version {self.version}'}"
        there = len(self.capabilities) - len(self.lacking)
        lacking = f", without {', '.join(sorted(self.lacking))}" if self.lacking else ""
        return f"{self.device}: works; {there} of {len(self.capabilities)} capabilities{lacking}"


def parse_kvm_report(text: str) -> KvmReport:
    """What the probe has printed; LabError if it is none."""
    try:
        return KvmReport.model_validate_json(text)
    except ValidationError as trouble:
        raise LabError(f"no report on KVM: {trouble.errors()[0]['msg']}") from trouble
