"""Architectures and roles of nodes."""

from __future__ import annotations

from enum import StrEnum


class Arch(StrEnum):
    """A processor architecture, in the words of the kernel (`uname -m`)."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"
    RISCV64 = "riscv64"

    @property
    def go(self) -> str:
        """As Go, Kubernetes and OCI call it."""
        return {"x86_64": "amd64", "aarch64": "arm64", "riscv64": "riscv64"}[self.value]

    @property
    def debian(self) -> str:
        """As Debian calls it."""
        return self.go


class Role(StrEnum):
    SERVER = "server"
    """Runs the control plane, and pods too."""
    EDGE = "edge"
    """Runs the edge runtime."""
