"""The number of each finding, as measures."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from edge_lab.measuring.measures import COUNT, Better, Measure, identifier


def counted(
    found: Sequence[StrEnum], good: StrEnum, *, what: str, node: str, evidence: str
) -> tuple[Measure, ...]:
    """One measure for each member of the enum of `good`; lower is better for the others."""
    return tuple(
        Measure(
            name=identifier(f"{what} {result.name}"),
            value=sum(finding is result for finding in found),
            unit=COUNT,
            better=Better.HIGHER if result is good else Better.LOWER,
            node=node,
            evidence=evidence,
            heading=f"{what} as expected" if result is good else f"{what} not as expected",
            label="" if result is good else result.value,
            minor=result is not good,
        )
        for result in type(good)
    )
