"""CPU load on a node, in addition to the stack."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from edge_lab.core.deadline import Deadline
from edge_lab.fixtures.nodes import LabNode

UNIT = "edge-lab-busy"

BEGIN = (
    "for number in $(seq $(nproc)); do systemd-run --quiet --collect"
    f" --unit={UNIT}-$number sh -c 'while :; do :; done'; done"
)
END = f"systemctl stop '{UNIT}-*.service'"
LEFT = f"systemctl list-units --no-legend '{UNIT}-*.service' | wc -l"


@contextlib.contextmanager
def busy_cpus(node: LabNode) -> Iterator[None]:
    """Runs an endless loop on each CPU of the node while the block runs."""
    with contextlib.ExitStack() as undo:
        undo.callback(_end, node)
        node.output(BEGIN)
        yield


def _end(node: LabNode) -> None:
    """Waits until all loops have ended."""
    node.output(END)
    Deadline.scaled(60).wait_for(
        f"{node} is idle again", lambda: node.output(LEFT) == "0", every=1.0
    )
