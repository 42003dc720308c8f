"""CPU load on a node, in addition to the stack."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.fixtures.nodes import LabNode

UNIT = "edge-lab-busy"

BEGIN = (
    "for number in $(seq $(nproc)); do systemd-run --quiet --collect"
    f" --unit={UNIT}-$number sh -c 'while :; do :; done'; done"
)
END = f"systemctl stop '{UNIT}-*.service'"
LEFT = f"systemctl list-units --no-legend '{UNIT}-*.service' | wc -l"


WORK = (
    f"nproc; cat /proc/uptime; for pid in $(systemctl show -p MainPID --value '{UNIT}-*.service');"
    " do cat /proc/$pid/stat; done 2>/dev/null || true"
)
TICKS = 100
"""Units of CPU time in a second, in /proc."""
LEAST_SHARE = 0.02
"""Of the time of all CPUs that the loops must have had. cyclictest, which goes before them, may
take almost all of an emulated CPU: the kernel leaves them 5 %."""


@dataclass(frozen=True)
class Work:
    """What the loops have had so far."""

    cpus: int
    at: float
    """Seconds since the node's boot."""
    spent: Mapping[int, float]
    """Seconds of CPU time by process."""


def parse_work(said: str) -> Work:
    """Of the output of `WORK`."""
    cpus, uptime, *stats = said.splitlines()
    spent = {}
    for line in stats:
        fields = line.rpartition(")")[2].split()
        spent[int(line.split()[0])] = (int(fields[11]) + int(fields[12])) / TICKS
    return Work(int(cpus), float(uptime.split()[0]), spent)


def not_busy(before: Work, after: Work) -> str:
    """Why the CPUs of a node were not busy meanwhile; empty if they were."""
    still = before.spent.keys() & after.spent.keys()
    if len(still) < before.cpus:
        return f"{len(still)} of {before.cpus} loops ran from the beginning to the end"
    spent = sum(after.spent[pid] - before.spent[pid] for pid in still)
    whole = (after.at - before.at) * before.cpus
    if spent < LEAST_SHARE * whole:
        return f"the loops had {spent:.1f} s of the CPUs' {whole:.1f} s"
    return ""


@contextlib.contextmanager
def busy_cpus(node: LabNode) -> Iterator[None]:
    """Runs an endless loop on each CPU of the node while the block runs.

    Raises:
        LabError: at the end of the block, if they did not keep the CPUs busy.
    """
    with contextlib.ExitStack() as undo:
        undo.callback(_end, node)
        node.output(BEGIN)
        before = parse_work(node.output(WORK))
        yield
        if why := not_busy(before, parse_work(node.output(WORK))):
            raise LabError(f"no evidence: the CPUs of {node} were not busy: {why}")


def _end(node: LabNode) -> None:
    """Waits until all loops have ended."""
    node.output(END)
    Deadline.scaled(60).wait_for(
        f"{node} is idle again", lambda: node.output(LEFT) == "0", every=1.0
    )
