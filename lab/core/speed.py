"""The speed of this host, as a factor by which time limits are multiplied.

1.0 is the reference machine: two idle cores on which a single emulated guest can be reached by
SSH 13 s (x86_64), 32 s (aarch64) and 36 s (riscv64) after power-on, with QEMU 7.2 and
thread=multi.  A machine with 2.0 takes twice as long.  The factor is derived from a short
calculation and the load; it is never below FASTEST: a limit is not a target.

The load of labs is excluded: every limit was measured with a lab running, and the factor must not
depend on how long a lab has been up.
"""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass

from edge_lab.core.process import demand_of_others

REFERENCE_CORES = 2
CALCULATIONS = 25
ROUNDS = 400_000
"""Rounds of one calculation."""
GUESSED, GUESSED_ROUNDS = 3, 100_000
"""Number and rounds of the calculations of a guess, which each process makes once."""
REFERENCE_CALCULATION = 0.022
"""Seconds that `_calculation` takes on the reference machine."""

FASTEST, SLOWEST = 1.0, 20.0


@functools.cache
def _calculation(times: int = CALCULATIONS, rounds: int = ROUNDS) -> float:
    """CPU seconds of a fixed calculation: the fastest of many, in about a second.

    Time in which other processes had the core is part of the load, and not counted here. A core
    is slower while its sibling thread is busy, as it often is at the start of a program: the
    fastest of only three calculations varied by half.
    """
    best = float("inf")
    for _ in range(times):
        started = time.thread_time()
        value = 1
        for number in range(rounds):
            value = (value * 31 + number) & 0xFFFF_FFFF
        best = min(best, time.thread_time() - started)
    return best * ROUNDS / rounds


def host_factor(seconds: float, cores: int, load: float) -> float:
    """The factor from the time of the calculation, the usable cores, and the load of others."""
    per_core = seconds / REFERENCE_CALCULATION
    fewer_cores = max(1.0, REFERENCE_CORES / max(1, cores))
    busy = 1.0 + max(0.0, load) / max(1, cores)
    return min(SLOWEST, max(FASTEST, per_core * fewer_cores * busy))


PACES = ((4.0, 4), (1.7, 2))
"""The lowest factor for each pace. Hosts up to 1.5 times slower than the reference machine were
seen to keep up with the shortest periods, one that was 1.8 times slower was not."""

LENIENCY = 1.3
"""The speed of a shared host varies: a checkpoint of the next faster pace still fits up to this
multiple of its limit."""


@functools.cache
def host_pace() -> int:
    """The factor by which the cluster's periods must be longer for guests on this host.

    The host's load does not count: it is temporary.
    """
    return pace_of(_factor(load=0.0))


def fitting_paces() -> tuple[int, ...]:
    """The paces at which a saved lab may run on this host, the best first.

    The pace of this host, every slower one, and the next faster one if it is only just missed.
    """
    own, all_paces = host_pace(), sorted({1, *(pace for _, pace in PACES)})
    slower = [pace for pace in all_paces if pace > own]
    just_missed = [pace_of(_factor(load=0.0) / LENIENCY)]
    return tuple(dict.fromkeys([own, *slower, *just_missed]))


def _factor(load: float) -> float:
    return host_factor(_calculation(), len(os.sched_getaffinity(0)), load)


def pace_of(factor: float) -> int:
    """The pace of a host with that factor without load."""
    return next((pace for least, pace in PACES if factor >= least), 1)


@dataclass(frozen=True)
class _Measured:
    factor: float
    at: float
    """Seconds on the monotonic clock."""


@functools.cache
def _measured() -> _Measured:
    return _Measured(_factor(demand_of_others()), time.monotonic())


def speed_factor() -> float:
    """The factor of this host, measured once in about two seconds; see `measure_again`."""
    return _measured().factor


def patience() -> float:
    """The factor for the limit of a single wait: `speed_factor` if this process has measured it,
    otherwise a guess that takes 20 ms.

    The guess includes the load of labs, so it tends to be too high.
    """
    return speed_factor() if _measured.cache_info().currsize else _guess()


@functools.cache
def _guess() -> float:
    cores = len(os.sched_getaffinity(0))
    return host_factor(_calculation(GUESSED, GUESSED_ROUNDS), cores, os.getloadavg()[0])


def measure_again(older_than: float) -> None:
    """Measures the load again if the last measurement is older than `older_than` seconds.

    For long-running processes, between timed operations: it takes a second.
    """
    if time.monotonic() - _measured().at > older_than:
        _measured.cache_clear()
        _measured()
