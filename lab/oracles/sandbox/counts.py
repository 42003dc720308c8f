"""The number of each finding, as measures."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from edge_lab.measuring.measures import COUNT, Better, Measure


def counted(
    found: Sequence[StrEnum], good: StrEnum, *, what: str, node: str, evidence: str
) -> tuple[Measure, ...]:
    """One measure for each member of the enum of `good`; lower is better for the others."""
    return tuple(
        Measure(
            name=f"{what}_{one.name}".lower().replace(" ", "_"),
            value=sum(finding is one for finding in found),
            unit=COUNT,
            better=Better.HIGHER if one is good else Better.LOWER,
            node=node,
            evidence=evidence,
            heading=f"{what} as expected" if one is good else f"{what} not as expected",
            label="" if one is good else one.value,
            minor=one is not good,
        )
        for one in type(good)
    )
