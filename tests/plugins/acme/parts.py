"""The components of Acme: where they come from, where their sources lie, where they are pinned."""

from __future__ import annotations

from pathlib import Path

from edge_lab.artifacts import Component, ComponentSet, GoSource

HERE = Path(__file__).parent

AGENT = Component(
    "acme-agent", "0.1.0", go=GoSource(module="agent", package="example.org/acme/agent")
)
METER = Component(
    "acme-meter", "2.1.0", image=True, mirror=("acme/{name}-{version}.oci.tar", "acme/{name}")
)
"""A container image for all architectures, as its vendor has made it."""


def parts() -> ComponentSet:
    return ComponentSet("acme", (AGENT, METER), lock=HERE / "artifacts.lock", sources=HERE / "go")
