"""How fast this host is, as one factor that time limits are multiplied by.

1.0 is the reference machine: two idle cores on which a guest, alone under emulation, can be
reached by SSH 13 s (x86_64), 32 s (aarch64) and 36 s (riscv64) after power-on, by QEMU 7.2 with
thread=multi.  2.0 is one that takes twice as long.  The factor comes from a short calculation and
the load; it is never below FASTEST: a limit is not a target.

The load of labs themselves is left out: every limit was found with a lab running, and a factor
must be the same for a lab that has just come up and for one that has been up for long.
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
"""Of one calculation."""
GUESSED, GUESSED_ROUNDS = 3, 100_000
"""So many, and as short, are enough for a guess: each process makes one."""
REFERENCE_CALCULATION = 0.022
"""Seconds that `_calculation` takes on the reference machine."""

FASTEST, SLOWEST = 1.0, 20.0


@functools.cache
def _calculation(times: int = CALCULATIONS, rounds: int = ROUNDS) -> float:
    """Seconds of one core for a fixed calculation: the best of many, in about a second.

    Those in which others had the core are not counted: they are in the load already. Many,
    since a core is slower for as long as its sibling is busy, and at the start of a program
    it often is: the best of three was seen to vary by half.
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
"""From this factor on, so many times as long. Hosts up to 1.5 times slower than the reference
were seen to keep the shortest periods, one that was 1.8 times slower not to."""

LENIENCY = 1.3
"""The speed of a shared host varies: a checkpoint of a faster pace still fits at a factor of up
to so many times its bound."""


@functools.cache
def host_pace() -> int:
    """How many times as long the cluster's periods must be here for its guests to keep them.

    The host's load does not count: it passes.
    """
    return pace_of(_factor(load=0.0))


def fitting_paces() -> tuple[int, ...]:
    """The paces at which a lab that was made earlier may run here, the best first.

    That of this host; every slower one; and the next faster one, if it is just missed.
    """
    own, all_paces = host_pace(), sorted({1, *(pace for _, pace in PACES)})
    slower = [pace for pace in all_paces if pace > own]
    just_missed = [pace_of(_factor(load=0.0) / LENIENCY)]
    return tuple(dict.fromkeys([own, *slower, *just_missed]))


def _factor(load: float) -> float:
    return host_factor(_calculation(), len(os.sched_getaffinity(0)), load)


def pace_of(factor: float) -> int:
    """The pace of a host that, without load, is so many times slower than the reference."""
    return next((pace for least, pace in PACES if factor >= least), 1)


@dataclass(frozen=True)
class _Measured:
    factor: float
    at: float
    """On the monotonic clock, s."""


@functools.cache
def _measured() -> _Measured:
    return _Measured(_factor(demand_of_others()), time.monotonic())


def speed_factor() -> float:
    """The factor of this host, measured in about two seconds, and again by `measure_again`."""
    return _measured().factor


def patience() -> float:
    """What the limit of a single wait is multiplied by: the factor, if this process has measured
    it, or else a guess that takes a fiftieth of a second.

    The guess counts the load of labs, too: it is rather too high than too low.
    """
    return speed_factor() if _measured.cache_info().currsize else _guess()


@functools.cache
def _guess() -> float:
    cores = len(os.sched_getaffinity(0))
    return host_factor(_calculation(GUESSED, GUESSED_ROUNDS), cores, os.getloadavg()[0])


def measure_again(older_than: float) -> None:
    """Measures the load of others anew if that was done more than `older_than` seconds ago.

    In a process that runs for long, between things that are timed: it takes a second.
    """
    if time.monotonic() - _measured().at > older_than:
        _measured.cache_clear()
        _measured()
