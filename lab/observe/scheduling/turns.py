"""Interleaves two conditions, so that the host affects both alike."""

from __future__ import annotations

from edge_lab.observe.scheduling.podstarts import TOGETHER, Planned

PAIRS_IN_BLOCK = TOGETHER // 2


def interleaved(base: Planned, other: Planned, pairs: int) -> list[Planned]:
    """At least so many pairs, in alternating order, in whole blocks.

    The pods of a block are on the node together, so later ones start beside earlier ones. As the
    order alternates, this affects both conditions alike.
    """
    blocks = -(-pairs // PAIRS_IN_BLOCK)
    return [base, other, other, base] * blocks
