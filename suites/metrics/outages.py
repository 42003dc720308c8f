"""Faults of the edge nodes, each once for all senders, and their evidence."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from edge_lab.addons.metrics.archive import Block
from edge_lab.addons.metrics.counting import compare, untrue
from edge_lab.addons.metrics.names import SCRAPE_SECONDS, SIDECAR, unit
from edge_lab.addons.metrics.receiver import LOOKBACK_SECONDS
from edge_lab.addons.metrics.records import NANOSECONDS, Origin, Served
from edge_lab.addons.metrics.senders import BLOCK_MINUTES
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import ClockJump, Cut, DiskFull, Impair, Kill, Profile, Reboot
from edge_lab.faults.records import FaultRecord
from edge_lab.fixtures.outcomes import eventually, preparing
from suites.edges import uplink
from suites.metrics.archive import Archive
from suites.metrics.evidence import BEFORE, HEAL, RESET, Evidence, Line
from suites.metrics.queries import DRAIN_SECONDS, LINE_SECONDS, SETTLED_SECONDS, Metrics

WARM = 5
"""Scrapes before a fault, and samples in the view."""
SHORT, LONG = 20, 45
"""Scrapes during a fault: in a cut, and before a reset, more than may be unsynced."""
AFTER_RESET = 8
IN_FULL = 15
LINE_STEP = 2.0
JUMP_SECONDS = 300.0
BACK_SECONDS = JUMP_SECONDS + SCRAPE_SECONDS / 2
"""Not a multiple of the interval: otherwise timestamps come twice, of which the receiver keeps the
first ones only."""
SLOW_MS = 1500.0
"""Delay of each direction, so that an upload of three files takes several seconds."""
CLOCK_NS = NANOSECONDS
"""By how much a node's clock may be wrong against the host's."""
TRIES = 3
"""Uploads that are waited for, if a kill comes after the end of one."""


@dataclass
class Outage:
    """One scenario: marks while it runs, evidence when it is over."""

    metrics: Metrics
    marks: dict[str, dict[Origin, int]] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    evidence: dict[Origin, Evidence] = field(default_factory=dict)
    began: float = 0.0
    """When it began, seconds since 1970."""
    healed: float = 0.0
    """When it was healed, seconds since 1970."""
    half: dict[str, Block] = field(default_factory=dict)
    """Blocks that were half uploaded when their sidecar had been killed."""
    warnings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By sender, warnings of its view after the heal."""
    _healed: float = 0.0
    _sent: dict[Origin, float | None] = field(default_factory=dict)

    def lines_of(self, sender: str) -> list[Line]:
        return [line for line in self.lines if line.sender == sender]

    def mark(self, name: str) -> None:
        self.marks[name] = self.metrics.numbers()

    @contextlib.contextmanager
    def watched(
        self, *, restarted: bool = False, ahead: float = 0.0, behind: float = 0.0
    ) -> Iterator[None]:
        """Begins with working senders; afterwards waits for outstanding samples.

        A sender that was `restarted` has no byte counter for the whole scenario. Timestamps may
        be `ahead` of now, or `behind` the beginning, in seconds.
        """
        metrics = self.metrics
        self.began = time.time()
        metrics.until_served(WARM)

        def all_there() -> bool:
            stored = metrics.stored(since=self.began, devices=False)
            return all(len(stored.get(key, ())) >= WARM for key in metrics.keys)

        with preparing():
            eventually(
                "samples of each sender are in the view",
                all_there,
                metrics.limit(DRAIN_SECONDS),
                every=2.0,
            )
        self._sent = {key: metrics.bytes_sent(key) for key in metrics.keys}
        self.mark(BEFORE)
        yield
        self._healed, self.healed = time.monotonic(), time.time()
        self.mark(HEAL)
        since = self.began - behind
        drained = self._settle(since, ahead)
        served = {node: metrics.served(node) for node in metrics.nodes}
        stored, failed = metrics.all_stored(since=since, ahead=ahead)
        series = metrics.series()
        shown = {name for by in served.values() for row in by.values() for name in row[-1].devices}
        steps = metrics.device_steps(shown)
        for key in metrics.keys:
            judged = self._judged(served, key)
            self.evidence[key] = Evidence(
                node=key.node,
                sender=key.sender,
                runtime=metrics.runtime(key.node),
                served=judged,
                stored=stored.get(key, ()),
                failed=failed.get(key, ()),
                marks={name: numbers[key] for name, numbers in self.marks.items()},
                drained_s=drained[key],
                series=series.get(key, 0),
                bytes_sent=None if restarted else self._written(key),
                untrue=tuple(
                    number for name, made in steps.items() for number in untrue(judged, name, made)
                ),
            )

    def _judged(
        self, served: Mapping[str, Mapping[str, tuple[Served, ...]]], key: Origin
    ) -> tuple[Served, ...]:
        """From a few before the fault to the last before the wait for outstanding samples: later
        ones may still be in transit."""
        first, last = self.marks[BEFORE][key] - WARM, self.marks[HEAL][key]
        return tuple(
            scrape for scrape in served[key.node][key.sender] if first < scrape.number <= last
        )

    def _written(self, key: Origin) -> float | None:
        before, after = self._sent[key], self.metrics.bytes_sent(key)
        return None if before is None or after is None else after - before

    def _settle(self, since: float, ahead: float) -> dict[Origin, float | None]:
        """Waits until nothing is missing, or nothing more arrives; returns the seconds since the
        heal."""
        metrics, limit = self.metrics, self.metrics.limit(DRAIN_SECONDS)
        served = {node: metrics.served(node) for node in metrics.nodes}
        drained: dict[Origin, float | None] = dict.fromkeys(metrics.keys)
        missing: dict[Origin, int] = {}
        quiet = metrics.limit(SETTLED_SECONDS)
        while not (limit.expired or quiet.expired) and None in drained.values():
            stored = metrics.stored(since=since, ahead=ahead, devices=False)
            failed = metrics.failed(since=since, ahead=ahead)
            left = {
                key: len(
                    compare(
                        self._judged(served, key),
                        stored.get(key, ()),
                        failed=failed.get(key, ()),
                    ).missing
                )
                for key in metrics.keys
            }
            if left != missing:
                missing, quiet = left, metrics.limit(SETTLED_SECONDS)
            for key in metrics.keys:
                if drained[key] is None and not left[key]:
                    drained[key] = time.monotonic() - self._healed
        return drained


def cut_and_heal(metrics: Metrics, faults: FaultEngine) -> Outage:
    """The uplinks are silent; before the heal, the views are queried for the missing nodes."""
    Archive(metrics).until_history()
    outage = Outage(metrics)
    with (
        outage.watched(),
        faults.inflict_all([Cut(link=uplink(metrics.lab, node)) for node in metrics.nodes]),
    ):
        over = time.monotonic() + LOOKBACK_SECONDS + 5 * LINE_STEP
        metrics.until_served(SHORT)
        limit = metrics.limit(2 * LOOKBACK_SECONDS)
        eventually("the lookback window has passed", lambda: time.monotonic() > over, limit)
        # What is in the object storage may be older than the outage.
        stored = metrics.stored(since=time.time() - LINE_SECONDS, devices=False)
        newest = {
            key: max((sample.time for sample in stored.get(key, ())), default=0) / NANOSECONDS
            for key in metrics.keys
        }
        outage.lines += metrics.lines(newest, step=LINE_STEP)
    outage.warnings = {sender.name: metrics.warnings(sender.name) for sender in metrics.senders}
    return outage


def slow_line(metrics: Metrics, faults: FaultEngine) -> Outage:
    """The uplinks are slow, with a round trip of almost a second."""
    return _on_line(metrics, faults, "edge")


def satellite_line(metrics: Metrics, faults: FaultEngine) -> Outage:
    """The uplinks are those of a geostationary satellite: fast, with a round trip of 600 ms."""
    return _on_line(metrics, faults, "geo")


def _on_line(metrics: Metrics, faults: FaultEngine, profile: str) -> Outage:
    outage = Outage(metrics)
    lines = [Profile(link=uplink(metrics.lab, node), name=profile) for node in metrics.nodes]
    with outage.watched(), faults.inflict_all(lines):
        metrics.until_served(LONG)
    return outage


def upload_killed(metrics: Metrics, faults: FaultEngine) -> Outage:
    """The sidecars are killed while a block is half uploaded, and the uplinks are silent then."""
    outage, archive = Outage(metrics), Archive(metrics)
    links = [uplink(metrics.lab, node) for node in metrics.nodes]
    with outage.watched():
        with faults.inflict_all([Impair(link=link, delay_ms=SLOW_MS) for link in links]):
            for _ in range(TRIES):
                if archive.blocks(half_for=60.0 * BLOCK_MINUTES + 30.0):
                    kills = [Kill(node=node, service=unit(SIDECAR)) for node in metrics.nodes]
                    with faults.inflict_all(kills):
                        seen = archive.blocks()
                    outage.half = {name: block for name, block in seen.items() if block.problem}
                if outage.half:
                    break
        with faults.inflict_all([Cut(link=link) for link in links]):
            metrics.until_served(SHORT)
    return outage


def reset_while_offline(metrics: Metrics, faults: FaultEngine) -> Outage:
    """The uplinks are silent, and meanwhile the nodes lose their power."""
    outage = Outage(metrics)
    with (
        outage.watched(restarted=True),
        faults.inflict_all([Cut(link=uplink(metrics.lab, node)) for node in metrics.nodes]),
    ):
        metrics.until_served(LONG)
        before = metrics.numbers()
        with faults.inflict_all([Reboot(node=node) for node in metrics.nodes]) as resets:
            pass  # healed when they are up again
        metrics.until_served(AFTER_RESET)
        outage.marks[RESET] = numbers_before_pause(metrics, before, resets)
    return outage


def killed_while_offline(metrics: Metrics, faults: FaultEngine) -> Outage:
    """The uplinks are silent, and meanwhile all senders are killed; systemd starts them again."""
    outage = Outage(metrics)
    kills = [
        Kill(node=node, service=sender.unit) for node in metrics.nodes for sender in metrics.senders
    ]
    with (
        outage.watched(restarted=True),
        faults.inflict_all([Cut(link=uplink(metrics.lab, node)) for node in metrics.nodes]),
    ):
        metrics.until_served(LONG)
        before = metrics.numbers()
        with faults.inflict_all(kills) as killed:
            pass  # healed when they run again
        metrics.until_served(AFTER_RESET)
        outage.marks[RESET] = numbers_before_pause(metrics, before, killed)
    return outage


def numbers_before_pause(
    metrics: Metrics, before: Mapping[Origin, int], records: Iterable[FaultRecord]
) -> dict[Origin, int]:
    """By sender, `last_before_pause` of what it has served, by the record of the reset of its node
    or of its kill; `before` are the numbers before them."""
    units = {sender.unit: sender.name for sender in metrics.senders}
    marks = dict(before)
    for record in records:
        (node,) = record.fault.scope.nodes
        fault = record.fault
        names = [units[fault.service]] if isinstance(fault, Kill) else list(units.values())
        for key in (Origin(node, name) for name in names):
            served = metrics.served(key.node)[key.sender]
            marks[key] = last_before_pause(served, record, before[key])
    return marks


def last_before_pause(served: Sequence[Served], record: FaultRecord, otherwise: int) -> int:
    """The number before the longest gap in serving of those between the request of a fault and its
    observed effect: a longer one later is a stall of the host. `otherwise` without a gap."""
    until = record.began if record.seen is None else record.seen
    pauses = [
        (later.time - earlier.time, earlier.number)
        for earlier, later in itertools.pairwise(served)
        if later.time >= record.began - CLOCK_NS and earlier.time <= until + CLOCK_NS
    ]
    return max(pauses, default=(0, otherwise))[1]


def clock_jump(metrics: Metrics, faults: FaultEngine) -> Outage:
    """The clocks are ahead for a while, then corrected: timestamps in the future, and then some
    behind the newest."""
    outage = Outage(metrics)
    with outage.watched(ahead=2 * JUMP_SECONDS):
        jumps = [ClockJump(node=node, seconds=JUMP_SECONDS) for node in metrics.nodes]
        with faults.inflict_all(jumps):
            metrics.until_served(SHORT)
        metrics.until_served(SHORT)
    return outage


def clock_set_back(metrics: Metrics, faults: FaultEngine) -> Outage:
    """The clocks are behind for a while, then corrected: timestamps that lie before the outage, and
    then some of the right time."""
    outage = Outage(metrics)
    with outage.watched(behind=2 * BACK_SECONDS):
        jumps = [ClockJump(node=node, seconds=-BACK_SECONDS) for node in metrics.nodes]
        with faults.inflict_all(jumps):
            metrics.until_served(SHORT)
        metrics.until_served(SHORT)
    return outage


def disk_full_while_offline(metrics: Metrics, faults: FaultEngine) -> Outage:
    """The uplinks are silent, and meanwhile the disks are full. Space for the exporter's log is
    reserved."""
    outage = Outage(metrics)
    with (
        outage.watched(restarted=True),
        faults.inflict_all([Cut(link=uplink(metrics.lab, node)) for node in metrics.nodes]),
    ):
        metrics.until_served(WARM)
        # A sender that exits is restarted, and scrapes less meanwhile.
        with faults.inflict_all([DiskFull(node=node) for node in metrics.nodes]):
            metrics.until_served(IN_FULL)
        metrics.until_served(WARM)
    return outage
