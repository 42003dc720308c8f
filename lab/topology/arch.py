"""Architectures, roles and container runtimes of nodes."""

from __future__ import annotations

from enum import StrEnum


class Arch(StrEnum):
    """A processor architecture, by its kernel name (`uname -m`)."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"
    RISCV64 = "riscv64"

    @property
    def go(self) -> str:
        """Its name in Go, Kubernetes and OCI."""
        return {"x86_64": "amd64", "aarch64": "arm64", "riscv64": "riscv64"}[self.value]

    @property
    def debian(self) -> str:
        """Its name in Debian."""
        return self.go


class Role(StrEnum):
    SERVER = "server"
    """Runs the control plane, and also pods."""
    EDGE = "edge"
    """Runs the edge runtime."""


class Cri(StrEnum):
    """The implementation of the Container Runtime Interface that manages a node's containers."""

    CONTAINERD = "containerd"
    """Debian's."""
    CRI_O = "cri-o"
    """Of the add-on `cri-o`."""
