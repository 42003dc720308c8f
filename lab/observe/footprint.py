"""The memory that the programs of a stack use on a node, read in the guest."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError

_SCRIPT = """\
grep -E '^(MemTotal|MemAvailable):' /proc/meminfo
for unit in {units}; do
  pid=$(systemctl show -P MainPID "$unit")
  if [ "$pid" -gt 0 ]; then echo "unit $unit $(grep VmRSS: /proc/$pid/status)"
  elif [ "$(systemctl show -P Type "$unit")" != oneshot ]; then echo "absent $unit"; fi
done
echo "kills $(grep -h oom_kill /proc/vmstat)"
"""


class Shell(Protocol):
    """The part of a machine that is used here."""

    def run(self, command: str, deadline: Deadline, check: bool = True) -> Said: ...


class Said(Protocol):
    @property
    def stdout(self) -> str: ...


@dataclass(frozen=True)
class Footprint:
    """One node's memory at one moment, MiB."""

    total: float
    """The total memory (MemTotal)."""
    available: float
    """The memory available without swapping (MemAvailable)."""
    units: dict[str, float]
    """Resident memory of each unit's main process; a unit of type oneshot has none."""
    absent: tuple[str, ...]
    """Units that should have a process but have none."""
    kills: int
    """Processes that the kernel has killed for lack of memory since boot."""

    def rows(self) -> list[str]:
        """Formatted lines: one for each unit, the largest first."""
        ordered = sorted(self.units.items(), key=lambda entry: -entry[1])
        lines = [f"{mib:8.1f} MiB  {unit}" for unit, mib in ordered]
        lines.append(f"{self.available:8.1f} MiB  available of {self.total:.1f}")
        return lines


def footprint(machine: Shell, units: Sequence[str], deadline: Deadline) -> Footprint:
    """The memory that `units` use on `machine` now.

    Raises:
        LabError: the guest's answer is incomplete.
    """
    command = _SCRIPT.format(units=" ".join(map(shlex.quote, units)))
    return parse_footprint(machine.run(command, deadline).stdout)


def parse_footprint(text: str) -> Footprint:
    """The answer of the guest's shell; LabError if something is missing in it."""
    meminfo: dict[str, float] = {}
    units: dict[str, float] = {}
    absent: list[str] = []
    kills: int | None = None
    try:
        for line in text.splitlines():
            match line.split():
                case ["unit", unit, "VmRSS:", kib, "kB"]:
                    units[unit] = int(kib) / 1024
                case ["absent", unit] | ["unit", unit]:  # the process ended while it was examined
                    absent.append(unit)
                case ["kills", "oom_kill", count]:
                    kills = int(count)
                case [key, kib, "kB"]:
                    meminfo[key.rstrip(":")] = int(kib) / 1024
    except ValueError as trouble:
        raise LabError(f"the guest reported an invalid number: {text!r}") from trouble
    try:
        total, available = meminfo["MemTotal"], meminfo["MemAvailable"]
    except KeyError as lack:
        raise LabError(f"the guest did not report its {lack.args[0]}: {text!r}") from lack
    if kills is None:
        raise LabError(f"the guest did not report OOM kills: {text!r}")
    return Footprint(total, available, units, tuple(absent), kills)
