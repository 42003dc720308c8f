"""The expected outcome of each hostile attempt in a QEMU microVM: measured on KVM in emulated
machines, in full on aarch64 and in part on x86_64, and on the kernel of riscv64.

What is reached there is the microVM's own kernel: the program is root in it, and unconfined. Of the
node, only what QEMU is given could be reached: a kernel, a RAM disk, and a serial port. So attempts
at the node's disk, control groups and sockets find nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edge_lab.addons.hostile.settings import Setting
from edge_lab.oracles.sandbox.expected import Expected, Row, either, reached, refused
from edge_lab.oracles.sandbox.table import KERNEL

_OWN = reached("the microVM's own kernel")

_OTHERWISE: Mapping[str, Expected] = MappingProxyType(
    {
        "open-by-handle": refused("ENOENT", note="it has no file of the node to begin with"),
        "memfd-secret": either(_OWN, refused("ENOSYS")),
        "vsock": refused("EAFNOSUPPORT", note="a module, which is not in its RAM disk"),
        "cgroup-procs": refused("ENOENT", note="nothing is mounted there"),
        "release-agent": refused("ENOENT", note="nothing is mounted there"),
        "open-disk": refused("ENXIO", note="it has no disk"),
    }
)

MICROVM_ROWS: Mapping[str, Row] = MappingProxyType(
    {
        name: Row(row.title, MappingProxyType({Setting.MICROVM: _OTHERWISE.get(name, _OWN)}))
        for name, row in KERNEL.items()
    }
)
"""By the names of the attempts at the kernel, with their titles."""
