"""Two conditions by turns, so that what the host does meanwhile is in both."""

from __future__ import annotations

from edge_lab.observe.scheduling.podstarts import TOGETHER, Planned

PAIRS_IN_BLOCK = TOGETHER // 2


def interleaved(base: Planned, other: Planned, pairs: int) -> list[Planned]:
    """So many pairs at least, each in the other order than the one before, in whole blocks.

    The pods of a block are on the node together, and the later ones start beside the earlier
    ones: as the second pair is in the other order, that is alike for both conditions.
    """
    blocks = -(-pairs // PAIRS_IN_BLOCK)
    return [base, other, other, base] * blocks
