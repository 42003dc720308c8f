"""A lab that stands in for a running one: faults that change links and devices in memory.

Its faults go through the real engine and the real journal.  Parts of it can be silent, as those
of a broken lab, or slow.  As a program it serves the page: `python -m tests.live.standin`.
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from edge_lab.addons.twins.names import twin_name
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.board import AnnouncedPlan, PlanBoard
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.family import Injector
from edge_lab.faults.fault import Fault
from edge_lab.faults.journal import FaultJournal
from edge_lab.faults.records import FaultRecord
from edge_lab.handle.linkstate import LinkState
from edge_lab.handle.picture import lab_svg
from edge_lab.handle.status import DeviceStatus, LinkStatus, NodeStatus, PodStatus
from edge_lab.live.lab import LiveLab, Pace
from edge_lab.live.place import Found
from edge_lab.live.snapshot import DeviceSeen, PointValue, SampleRow, TwinName, Twins, TwinValue
from edge_lab.topology import Topology, load_topology

LABS = Path(__file__).resolve().parents[2] / "labs"

QUICK = Pace(*(7 * (0.02,)))
"""Of polls in tests."""


PROOF, CURE = "no ping answered (0 of 3), and the carrier is down", "3 of 3 pings answered"
PROOFS = {"profile": "median round trip 611 ms, 2 ms before", "device": "a read took 1.52 s"}
CURES = {"profile": "median round trip 2 ms", "device": "a read took 4 ms"}


class MemoryInjector(Injector[Fault]):
    """Any fault is what the lab says of the parts in its scope, after `proof_s` seconds."""

    def __init__(self, lab: StandIn) -> None:
        self._lab = lab

    def inject(self, fault: Fault) -> str:
        if self._lab.no_effect:
            raise LabError("no effect was seen: 3 of 3 pings answered", remedy="See the fabric.")
        self._lab.hold.wait(30)
        time.sleep(self._lab.proof_s)
        self._lab.broken |= dict.fromkeys(fault.scope.names, fault.fault)
        return PROOFS.get(fault.fault, PROOF) + self._lab.markup

    def heal(self, fault: Fault) -> str:
        time.sleep(self._lab.proof_s)
        for name in fault.scope.names:
            self._lab.broken.pop(name, None)
        return CURES.get(fault.fault, CURE)


class StandIn:
    """The lab of a topology file."""

    def __init__(self, folder: Path, topology: Topology | None = None) -> None:
        self.topology = topology or load_topology(LABS / "default.yaml")
        self.stack = "kubernetes+openyurt"
        self.restored = True
        self.folder = folder
        self.broken: dict[str, str] = {}
        """The kind of fault by the part that has it."""
        self.silent: set[str] = set()
        """Parts that answer with an error."""
        self.hold = threading.Event()
        """While it is not set, no injection ends."""
        self.hold.set()
        self.slow = threading.Event()
        """While it is not set, nodes and pods do not answer at all."""
        self.slow.set()
        self.no_effect = False
        self.markup = ""
        """What pods, logs and proofs say beside what they say."""
        self.proof_s = 0.0
        self._began = time.monotonic()
        self._random = random.Random(1)

    @property
    def seconds(self) -> int:
        return int(time.monotonic() - self._began) + 600

    @property
    def sampled_nodes(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.topology.edges)

    twinned = True

    def _asked(self, part: str) -> None:
        if part in self.silent:
            raise LabError(f"the {part} do not answer: connection refused")

    # -- parts ---------------------------------------------------------------------------

    def nodes(self, deadline: Deadline) -> tuple[NodeStatus, ...]:
        self._asked("nodes")
        self.slow.wait(30)
        return tuple(
            NodeStatus(
                name=node.name,
                arch=node.arch.value,
                memory_mib=node.memory,
                ready=node.name not in self.broken,
                runtime="openyurt (kubelet v1.34.4)",
                address=str(self.topology.cluster_link(node.name).address),
                accelerator="tcg",
                reboots=0,
            )
            for node in self.topology.nodes
        )

    def links(self, deadline: Deadline) -> tuple[LinkStatus, ...]:
        self._asked("links")
        return tuple(
            LinkStatus(
                name=link.name,
                endpoint=link.endpoint,
                network=link.network,
                state=self._state(link.name),
                detail=_detail(self.broken.get(link.name)),
                frames_tx=self.seconds * (7 + at),
                frames_rx=self.seconds * (9 + at),
            )
            for at, link in enumerate(self.topology.links)
        )

    def _state(self, link: str) -> LinkState:
        kind = self.broken.get(link)
        if kind is None:
            return LinkState.UP
        return LinkState(kind) if kind in set(LinkState) else LinkState.IMPAIRED

    def pods(self, deadline: Deadline) -> tuple[PodStatus, ...]:
        self._asked("pods")
        self.slow.wait(30)
        names = [("collector", self.topology.server.name)]
        names += [(f"sampler-{node.name}", node.name) for node in self.topology.edges]
        return tuple(
            PodStatus(
                namespace="edge-lab",
                name=name,
                node=node,
                phase=f"Running{self.markup}",
                ready=node not in self.broken,
                restarts=0,
            )
            for name, node in names
        )

    def device(self, name: str, deadline: Deadline) -> DeviceSeen:
        self._asked(f"device {name}")
        device = self.topology.device(name)
        status = DeviceStatus(
            name=name,
            protocol=device.protocol,
            address=str(self.topology.links_of(name)[0].address),
            reachable=name not in self.broken,
            sequence=self.seconds,
        )
        return DeviceSeen(
            status=status,
            values=tuple(
                PointValue(name=point, unit=unit, value=value)
                for point, unit, value in self._values(name)
            ),
            step_at=time.time_ns(),
            twins=tuple(TwinName(node=node, twin=twin_name(name, node)) for node in device.twins),
        )

    def _values(self, device: str, ago: int = 0) -> tuple[tuple[str, str, str], ...]:
        """Point, unit and value, so many seconds ago."""
        second = self.seconds - ago
        wave = f"{second % 50 / 10:.1f}"
        values = {
            "press": (
                ("phase", "pressing", "2"),
                ("force", "kN", f"21{wave}"),
                ("position", "mm", f"11{wave}"),
                ("parts", "", str(second // 12)),
                ("setpoint", "kN", "250.0"),
            )
        }
        others = (
            ("temperature", "°C", f"6{wave}"),
            ("pressure", "bar", "2.21"),
            ("valve", "%", "63"),
            ("heater", "on", "1"),
            ("setpoint", "°C", "70.0"),
        )
        return (("sequence", "", str(second)), *values.get(device, others))

    def twins(self, deadline: Deadline) -> Twins:
        self._asked("twins")
        ago = self.seconds % 10
        taken = time.time_ns() // 10**6 - ago * 1000
        return {
            twin_name(device.name, node): {
                point: TwinValue(value=value, taken=taken)
                for point, _, value in self._values(device.name, ago)
            }
            for device in self.topology.devices
            for node in device.twins
        }

    def samples(self, node: str, deadline: Deadline) -> tuple[SampleRow, ...]:
        self._asked(f"samples {node}")
        cut = any(link.name in self.broken for link in self.topology.links_of(node))
        return tuple(
            SampleRow(
                node=node,
                device=device.name,
                sampled=self.seconds,
                waiting=31 if cut else 1,
                arrived=self.seconds - (31 if cut else 1),
                lost=0,
                repeated=0,
                connected=device.name not in self.broken,
            )
            for device in self.topology.devices
        )

    def faults(self, deadline: Deadline) -> tuple[FaultRecord, ...]:
        self._asked("faults")
        return FaultJournal(self.folder).history()

    def plan(self, deadline: Deadline) -> AnnouncedPlan | None:
        return PlanBoard(self.folder).read()

    # -- whole ---------------------------------------------------------------------------

    def engine(self) -> FaultEngine:
        injector: Injector[Any] = MemoryInjector(self)
        return FaultEngine(FaultJournal(self.folder), lambda fault: injector)

    def picture(self) -> str:
        return lab_svg(self.topology, title=f"lab {self.topology.name} · {self.stack}")

    def logs(self) -> tuple[str, ...]:
        kinds = ("console", "journal")
        nodes = self.topology.nodes
        return (*(f"{kind} {node.name}" for kind in kinds for node in nodes), "fabric")

    def log(self, name: str, deadline: Deadline) -> str:
        if name not in self.logs():
            raise InputError(f"there is no log {name!r}")
        return "".join(
            f"[{second:5}.000000] {name}: line {second}{self.markup}\n"
            for second in range(self.seconds - 40, self.seconds)
        )


def _detail(kind: str | None) -> str:
    return f"tx {kind}; rx {kind}" if kind else ""


class Somewhere:
    """A place where a stand-in is found, or not."""

    def __init__(self, lab: StandIn) -> None:
        self.lab: StandIn | None = lab
        self.trouble = LabError("lab 'default' is not running", remedy="Run `lab up`.")
        self.starting: LabError | None = None

    def look(self) -> Found:
        if self.lab is None:
            raise self.trouble
        return Found((id(self.lab), self.starting is None), self.starting)

    def open(self) -> StandIn:
        if self.lab is None:
            raise self.trouble
        return self.lab


def main() -> None:
    from edge_lab.core.interrupts import end_as_by_interrupt
    from edge_lab.faults.plan import load_plan
    from edge_lab.faults.runner import running_plan
    from edge_lab.ui.serve import bound, serve

    end_as_by_interrupt()  # as the command
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    with tempfile.TemporaryDirectory() as folder:
        kept = sys.argv[sys.argv.index("--folder") + 1] if "--folder" in sys.argv else folder
        lab = StandIn(Path(kept))
        lab.proof_s = 1.0
        if "--hostile" in sys.argv:
            lab.markup = "<img src=x onerror=\"document.title='taken'\"><script>1</script>"
        live = LiveLab("default", Somewhere(lab), read_only="--read-only" in sys.argv)
        plan = None
        if "--plan" in sys.argv:
            file = Path(sys.argv[sys.argv.index("--plan") + 1])
            plan = load_plan(file, lab.topology)
        board = PlanBoard(lab.folder)
        with running_plan(plan, lab.engine(), board=board) if plan else contextlib.nullcontext():
            serve(
                live,
                bound("127.0.0.1", port, read_only=False),
                lambda address: print(address, flush=True),
                token="stand-in",
            )


if __name__ == "__main__":
    main()
