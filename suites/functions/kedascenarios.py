"""The scenarios in which KEDA cannot reach a node, or does not run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from edge_lab.addons.functions.ways import KEDA
from edge_lab.core.errors import LabError
from suites.functions.kedaside import KedaSide
from suites.functions.scenarios import ASLEEP_SECONDS, STOP_TRIES, Scene, woken_offline

UNWOKEN_SECONDS = 60.0
"""How long an event may wait without its scaler until the scenario goes on. KEDA asks every two
seconds, and an emulated node starts a pod within about fifteen."""


def cut_off(side: KedaSide) -> Scene:
    """Uplinks are cut while no function of KEDA runs, and healed after events have crossed."""
    return _unreached(side, side.offline)


def reset_while_cut_off(side: KedaSide) -> Scene:
    """Like `cut_off`, but nodes lose power before the events cross: each has rebooted offline."""
    return _unreached(side, partial(offline_then_reset, side))


@contextmanager
def offline_then_reset(side: KedaSide) -> Iterator[None]:
    """Uplinks are cut during the block, which begins when all nodes have rebooted."""
    with side.offline():
        side.reset()
        yield


def operator_stopped(side: KedaSide) -> Scene:
    """The negative control: KEDA's operator is stopped, and started again after events have
    crossed."""
    return _unreached(side, side.no_operator)


def _unreached(side: KedaSide, fault: Callable[[], AbstractContextManager[None]]) -> Scene:
    """An event of each way crosses during `fault`. `Scene.offline` has the evidence before its end,
    `Scene.evidence` that after all events are handled.

    Raises:
        LabError: in each try a function of KEDA ran when the fault began.
    """

    def at_zero() -> bool:
        return not any(
            KEDA.name in side.running(node) or side.replicas(node) for node in side.nodes
        )

    found = Scene(side)
    for _ in range(STOP_TRIES):
        side.until("functions of KEDA at zero", at_zero, ASLEEP_SECONDS)
        with fault():
            # One that was just woken would handle the next event too.
            if not at_zero():
                continue
            found.begin()
            found.until_crossed(1)
            found.all_handled(ways=woken_offline(side))
            found.all_handled(UNWOKEN_SECONDS, ways={KEDA.name})
            found.offline = {node: found.look(node) for node in side.nodes}
        found.end()
        return found
    raise LabError(f"KEDA was out of reach {STOP_TRIES} times while one of its functions ran")
