"""The scenario in which nodes lose power while they are cut off."""

from __future__ import annotations

from edge_lab.addons.functions.records import NANOSECONDS
from edge_lab.core.errors import LabError
from suites.functions.scenarios import Scene, scene, woken_offline
from suites.functions.side import Side


def first_read(side: Side, node: str, since: int) -> int:
    """When the source of a node that has booted since then read its device again, at the latest;
    ns by the host's clock.

    Raises:
        LabError: its journal does not say so.
    """
    clock = side.clock(node)
    error = round(clock.error * NANOSECONDS)
    times = [clock.to_host(time) + error for time in side.first_reads(node)]
    if later := [time for time in times if time > since]:
        return min(later)
    raise LabError(f"the source's journal does not say when it read the device of {node} again")


def reset_while_offline(side: Side) -> Scene:
    """Uplinks are cut, and nodes lose power just after an event. Links are healed when events that
    crossed after the boot are handled. Crossings are excused until sources read devices again."""
    with scene(side, copies=True) as found, side.offline():
        found.until_crossed(1)
        off = side.now()
        side.reset()
        found.until_crossed(1)
        found.blind = {node: (off, first_read(side, node, off)) for node in side.nodes}
        found.all_handled(ways=woken_offline(side))
        found.offline = {node: found.look(node) for node in side.nodes}
    return found
