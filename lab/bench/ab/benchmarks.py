"""Benchmarks by name: what each measures, its unit, and the better direction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge_lab.bench.ab import hotpaths
from edge_lab.core.errors import InputError, named
from edge_lab.measuring.measures import Better

HOT_PATHS = "hot-paths"
"""The name of all benchmarks that need no machine and measure CPU time."""


class Needs(StrEnum):
    PROCESS = "no machine"
    LAB = "a lab of its own, which it starts"


@dataclass(frozen=True)
class Setting:
    """The settings of a side's lab; not used by benchmarks without a machine."""

    topology: Path
    stack: str | None = None


@dataclass(frozen=True)
class Figure:
    """One value of a benchmark."""

    name: str
    unit: str
    better: Better = Better.LOWER


@dataclass(frozen=True)
class Benchmark:
    name: str
    what: str
    needs: Needs
    figures: tuple[Figure, ...]
    """Optional figures of a benchmark of labs: a lab without edge nodes boots none."""
    run: Callable[[Setting], Mapping[str, float]]
    """Takes a sample: values by the name of the figure."""
    hot_path: bool = False


def _process(
    name: str,
    what: str,
    run: Callable[[], float],
    unit: str,
    *,
    better: Better = Better.LOWER,
    hot_path: bool = False,
) -> Benchmark:
    """A benchmark of one figure, which has its name."""
    return Benchmark(
        name,
        what,
        Needs.PROCESS,
        (Figure(name, unit, better),),
        lambda _: {name: run()},
        hot_path,
    )


def _lab(name: str, what: str, figures: Sequence[str]) -> Benchmark:
    """A benchmark of `lifecycles`, which is imported lazily."""

    def run(given: Setting) -> Mapping[str, float]:
        from edge_lab.bench.ab import lifecycles

        return lifecycles.BENCHMARKS[name](given.topology, given.stack)

    return Benchmark(name, what, Needs.LAB, tuple(Figure(figure, "s") for figure in figures), run)


_ALL = (
    _process(
        "fabric-forward",
        "CPU time of the fabric for a frame of 1514 bytes",
        hotpaths.fabric_forward,
        "ns",
        hot_path=True,
    ),
    _process(
        "fabric-impair",
        "the same with 20 ms of delay and 1 % loss",
        hotpaths.fabric_impair,
        "ns",
        hot_path=True,
    ),
    _process(
        "fabric-steer",
        "CPU time of the fabric for one change of a link's state",
        hotpaths.fabric_steer,
        "us",
        hot_path=True,
    ),
    _process(
        "plan",
        "CPU time from a topology file to components, certificates and units",
        hotpaths.plan,
        "ms",
        hot_path=True,
    ),
    _process(
        "command",
        "CPU time of `lab --version`",
        hotpaths.command,
        "ms",
        hot_path=True,
    ),
    _process(
        "fabric-flood",
        "frames of 1514 bytes that arrive in a flood",
        hotpaths.fabric_flood,
        "frames/s",
        better=Better.HIGHER,
    ),
    _process(
        "fabric-latency",
        "median time of a frame through the fabric",
        hotpaths.fabric_latency,
        "us",
    ),
    _process(
        "fabric-effect",
        "median time until a drop takes effect in a flood",
        hotpaths.fabric_effect,
        "us",
    ),
    _lab("cold-start", "a cold start until the lab is ready", ("cold start",)),
    _lab(
        "life-cycle",
        "cold start, save, start from the checkpoint, restore, looks, faults, down",
        (
            "cold start to ready",
            "save, and ready again",
            "start from the checkpoint to ready",
            "restore in place, and ready again",
            "looks at the nodes",
            "faults seen",
            "faults healed",
            "down",
        ),
    ),
)
BENCHMARKS: Mapping[str, Benchmark] = {benchmark.name: benchmark for benchmark in _ALL}


def chosen(names: Sequence[str]) -> tuple[Benchmark, ...]:
    """The benchmarks of the names, each once, in the order of the table; by default all hot paths.

    Raises:
        InputError: there is none of that name, or those with and without machines are mixed.
    """
    wanted: set[str] = set()
    for name in names or (HOT_PATHS,):
        if name == HOT_PATHS:
            wanted |= {benchmark.name for benchmark in _ALL if benchmark.hot_path}
        else:
            wanted.add(named("benchmark", name, BENCHMARKS).name)
    found = tuple(benchmark for benchmark in _ALL if benchmark.name in wanted)
    if len({benchmark.needs for benchmark in found}) > 1:
        raise InputError(
            "benchmarks of labs and of processes cannot share a run",
            remedy="Run `lab bench` once for each: a lab that is up disturbs the others.",
        )
    return found
