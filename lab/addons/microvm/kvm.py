"""The report of `edge-kvm probe` on a node's KVM, as data (images/go/kvm)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_lab.addons.microvm.names import PROGRAM
from edge_lab.core.errors import LabError

PROBE_COMMAND = f"{PROGRAM} probe"
"""The shell command for the node; its exit code is 1 if no virtual machine can be created."""
VERSION = 12
"""Version of KVM's API: the only one."""


class KvmReport(BaseModel):
    """One report on /dev/kvm. A step is empty on success, or has the name of an error number."""

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
    """The capabilities that Firecracker requires on the architecture, by name without KVM_CAP_,
    with the result of KVM_CHECK_EXTENSION; 0 for missing."""

    @property
    def works(self) -> bool:
        """Whether a machine and a CPU for it were created."""
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
    """Parses the output of the probe; LabError if it is invalid."""
    try:
        return KvmReport.model_validate_json(text)
    except ValidationError as trouble:
        raise LabError(f"no report on KVM: {trouble.errors()[0]['msg']}") from trouble
