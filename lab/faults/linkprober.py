"""Probes over a link of the lab, and queries to the fabric that carries it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edge_lab.fabric import FabricClient
from edge_lab.fabric.counters import LinkCounters
from edge_lab.fabric.state import Direction
from edge_lab.faults import reach
from edge_lab.faults.counters import CounterDelta
from edge_lab.faults.limits import PROBE_SECONDS, PROOF_SECONDS, TimeLimit, prove
from edge_lab.faults.probe import Burst, Prober, Question, WireProbe, parse_connect, parse_ping
from edge_lab.faults.reach import Service
from edge_lab.faults.runningping import RunningPing
from edge_lab.topology import Link, Topology

PING_ON_INTERVAL = 0.05
"""Seconds between continuous pings while a link is broken."""

ENOUGH_ANSWERS = 3


class LinkProber:
    """Probes over the links of one lab."""

    def __init__(
        self,
        topology: Topology,
        fabric: FabricClient,
        machines: Mapping[str, Prober],
        limit: TimeLimit,
    ) -> None:
        self.topology = topology
        self.fabric = fabric
        self.machines = machines
        self.limit = limit

    def probe(self, link: Link) -> WireProbe:
        """The probe that crosses `link`; InputError if none can."""
        return WireProbe.over(self.topology, link)

    def ask(self, probe: WireProbe, question: Question) -> Burst:
        said = self.machines[probe.node].run(
            probe.ping(question), self.limit(PROBE_SECONDS + question.lasts), check=False
        )
        return parse_ping(said.stdout)

    def pinging(self, probe: WireProbe, more: float = 0.0) -> RunningPing:
        """Continuous pings, until the block is left.

        `more` extends the usual time limit, seconds.
        """
        limit = self.limit(2 * PROOF_SECONDS + more)
        command = probe.ping_on(PING_ON_INTERVAL, limit.remaining)
        return RunningPing(self.machines[probe.node].stream(command, limit), str(probe))

    def answered(self, ping: RunningPing, what: str) -> None:
        """Waits until enough pings are answered to know the usual round-trip time."""
        self.limit(PROOF_SECONDS).wait_for(
            f"{what} carries frames before the fault, asked from {ping.name}",
            lambda: ping.answers >= ENOUGH_ANSWERS,
            every=0.02,
            watch=ping.check,
        )

    def reached(self, service: Service) -> bool:
        """Whether a new connection succeeds."""
        command = WireProbe(service.node, service.address).connect(service.port)
        said = self.machines[service.node].run(command, self.limit(PROBE_SECONDS), check=False)
        return parse_connect(said.stdout)

    def send(self, service: Service) -> None:
        """Sends a datagram there; no answer is needed."""
        command = f"echo edge-lab > /dev/udp/{service.address}/{service.port}"
        self.machines[service.node].run(
            f"bash -c '{command}'", self.limit(PROBE_SECONDS), check=False
        )

    def counted(
        self, link: Link, directions: Sequence[Direction], before: LinkCounters
    ) -> CounterDelta:
        """The fabric's counters of the link, in these directions, since `before`."""
        return CounterDelta(before, self.fabric.link(link.name).counters, tuple(directions))

    def settled(self, probe: WireProbe, question: Question, what: str) -> Burst:
        """The first burst with an answer: a probe that cannot succeed proves nothing."""

        def answered() -> Burst | None:
            burst = self.ask(probe, question)
            return None if burst.all_lost else burst

        return self.limit(PROOF_SECONDS).wait_for(
            f"{what} carries frames before the fault, asked from {probe}", answered
        )

    def prove(self, what: str, seen: Callable[[], str], more: float = 0.0) -> str:
        """Waits until `seen` returns a description, and returns it; `more` extends the limit."""
        return prove(
            what,
            seen,
            self.limit(PROOF_SECONDS + more),
            every=0.05,
            remedy="No effect was seen: run `lab status --json` and check the link's counters.",
        )

    def connectable(self, service: Service) -> None:
        """Waits until a connection succeeds, before a fault; LabError if none does."""
        self.limit(PROOF_SECONDS).wait_for(
            f"a connection from {service} before the fault", lambda: self.reached(service)
        )

    def service(self, link: Link) -> Service:
        """A service that accepts connections over `link`; InputError if there is none."""
        return reach.service(self.topology, link)
