"""Which edge runtimes work with which control planes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edge_lab.core.errors import InputError

ONLY_WITH: Mapping[str, str] = MappingProxyType({"k3s": "k3s"})
"""By runtime, the only control plane that it can join; all other runtimes can join any."""


def fit(control: str, runtime: str) -> bool:
    """Whether the two can form a stack."""
    return ONLY_WITH.get(runtime, control) == control


def check_pair(control: str, runtime: str) -> None:
    """Raises InputError if the two cannot form a stack."""
    if not fit(control, runtime):
        needed = ONLY_WITH[runtime]
        raise InputError(
            f"the edge runtime {runtime!r} works only with the control plane {needed!r}, not with "
            f"{control!r}",
            remedy=f"Use {needed}+{runtime}, or {control} with another runtime.",
        )
