"""One edge node and the server as processes of this machine, on loopback, by the lab's own
configurations, certificates and program; and what the scenarios need of it."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from edge_lab.addons.functions.broker import broker_command, edge_config, server_config
from edge_lab.addons.functions.identities import FUNCTIONS_DOMAIN, leaf_spec, server_spec
from edge_lab.addons.functions.limits import LIMITS, Watched
from edge_lab.addons.functions.parts import (
    activator_command,
    activator_config,
    cloud_streams_command,
    function_arguments,
    node_streams_command,
    source_command,
    source_config,
    storm_command,
)
from edge_lab.addons.functions.place import Place
from edge_lab.addons.functions.pods import static_manifest
from edge_lab.addons.functions.records import (
    Activation,
    Event,
    Records,
    parse_activations,
    parse_events,
    parse_first_reads,
    parse_records,
)
from edge_lab.addons.functions.ways import OWN_WAYS, PROCESS, WAYS, Way
from edge_lab.addons.tlsfiles import CA, CERTIFICATE, KEY
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded
from edge_lab.core.ports import choose_ports
from edge_lab.oracles.scheduling.clock import ClockBounds
from edge_lab.pki import IdentityRequest, Pki
from edge_lab.topology import Device
from suites.functions.evidence import Step
from suites.functions.labside import memory_in
from suites.functions.side import Memory
from tests.addons.fetch import FOLDER
from tests.addons.functions.plant import Plant
from tests.addons.functions.supervisor import Supervisor
from tests.addons.functions.wire import Wire
from tests.smalldisk import filled

LIMIT = 120.0
NODE, SERVER = "edge-arm", "server"
IDLE_MS = 400
LINE_SECONDS = 0.3
"""The delay of a bad line, each way."""
RESTART_MS = 2000


def nats_server(suite: str) -> str:
    """The suite's; skips the test where it is not there."""
    path = FOLDER / suite / "usr/sbin/nats-server"
    if not path.is_file():
        pytest.skip(
            f"Debian's nats-server of {suite} is not in {FOLDER}: "
            "`python -m tests.addons.functions.fetch` gets it"
        )
    if subprocess.run([path, "--version"], capture_output=True).returncode:
        pytest.skip(f"{path} does not run on this machine")
    return str(path)


@dataclass
class Site:
    """suites.functions.side.Side, over processes."""

    folder: Path
    suite: str
    program: Path
    plant: Plant
    device: str
    ways: tuple[Way, ...] = OWN_WAYS
    options: tuple[str, ...] = ()
    """Further options of functions: those of one that is defective."""
    restarts: bool = True
    """Whether the source starts a silent broker anew."""
    restarts_activator: bool = True
    """Whether an activator that was killed is started again; the planted defect is False."""
    deny_imports: bool = True
    running_parts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        client, monitor, leaf, *others = choose_ports(5)
        self.cloud = self._place(SERVER, others[0], others[1], f"127.0.0.1:{leaf}", leaf)
        self.wire = Wire(f"127.0.0.1:{leaf}")
        self.edge = self._place(NODE, client, monitor, self.wire.address, leaf)
        self.units = self.folder / "units"
        self.units.mkdir()
        self._certificates()
        self.supervisor: Supervisor | None = None

    def _place(self, node: str, client: int, monitor: int, leaf: str, listens: int) -> Place:
        place = Place(
            node=node,
            leaf=leaf,
            client=f"127.0.0.1:{client}",
            monitor=f"127.0.0.1:{monitor}",
            leaf_listens=f"127.0.0.1:{listens}",
            files=str(self.folder / f"{node}-files"),
            state=str(self.folder / f"{node}-state"),
            pods=str(self.folder / f"{node}-pods"),
            program=str(self.program),
            # The server's is trixie's in every lab.
            nats=(nats_server(self.suite if node == NODE else "trixie"),),
        )
        for path in (place.files, place.state):
            Path(path).mkdir(exist_ok=True)
        return place

    def _certificates(self) -> None:
        specs = {SERVER: server_spec("127.0.0.1"), NODE: leaf_spec(NODE)}
        requests = (IdentityRequest(FUNCTIONS_DOMAIN, name, spec) for name, spec in specs.items())
        pki = Pki.create(self.folder / "pki", tuple(requests))
        for place in (self.cloud, self.edge):
            identity = pki.identity(FUNCTIONS_DOMAIN, place.node)
            for name, content in {
                CA: pki.authority(FUNCTIONS_DOMAIN).certificate_pem,
                CERTIFICATE: identity.certificate_pem,
                KEY: identity.key_pem,
            }.items():
                (Path(place.files) / name).write_bytes(content)

    # -- parts -------------------------------------------------------------------------------

    def configure(self) -> None:
        """As the add-on does; but what systemd is asked there, a supervisor is asked here."""
        watched = Watched(
            Device(name="boiler", protocol="modbus-tcp"), LIMITS[0], self.device, 1, 2, "uint16"
        )
        restart = str(self.folder / "restart-broker")
        source = source_config(self.edge, [watched], self.ways) | {
            "poll_ms": 20,
            "restart": ["touch", restart] if self.restarts else [],
            "restart_after_ms": RESTART_MS,
        }
        activator = activator_config(self.edge, self.ways) | {"idle_ms": IDLE_MS}
        for way in activator["ways"]:
            if way["name"] == PROCESS.name:
                file = str(self.units / PROCESS.name)
                way |= {"start": ["touch", file], "stop": ["rm", "-f", file]}
        edge_broker = json.loads(edge_config(self.edge))
        if not self.deny_imports:
            del edge_broker["leafnodes"]["remotes"][0]["deny_imports"]
        for path, content in {
            self.edge.config("broker"): edge_broker,
            self.cloud.config("broker"): json.loads(server_config(self.cloud)),
            self.edge.config("source"): source,
            self.edge.config("activator"): activator,
            self.edge.config("pod"): static_manifest(self.edge),
        }.items():
            Path(path).write_text(json.dumps(content))

    def start(self, name: str, argv: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running_parts[name] = subprocess.Popen(argv, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        process = self.running_parts.pop(name)
        process.kill()
        process.wait(LIMIT)

    def start_edge(self) -> None:
        self.start("broker", broker_command(self.edge))
        self.ask(node_streams_command(self.edge, self.ways))
        self.start("source", source_command(self.edge))
        self.start("activator", activator_command(self.edge))

    def start_all(self) -> None:
        self.configure()
        self.start("cloud", broker_command(self.cloud))
        self.start_edge()
        self.ask(cloud_streams_command(self.cloud, (NODE,)))
        self.supervisor = Supervisor(
            self.units, Path(self.edge.pods), self.folder / "functions.log", self._function
        )

    def _function(self, way: str) -> tuple[str, ...]:
        return (str(self.program), *function_arguments(self.edge, WAYS[way]), *self.options)

    def ask(self, argv: Sequence[str], seconds: float = LIMIT) -> str:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def end(self) -> None:
        if self.supervisor is not None:
            self.supervisor.end()
        for process in self.running_parts.values():
            process.kill()
            process.wait()
        self.wire.end()

    # -- Side ----------------------------------------------------------------------------------

    @property
    def nodes(self) -> tuple[str, ...]:
        return (NODE,)

    def runtime(self, node: str) -> str:
        return "none"

    def now(self) -> int:
        return time.time_ns()

    def _text(self, *paths: str) -> str:
        files = [Path(path) for path in paths if Path(path).exists()]
        return "\n".join(file.read_text().replace("\0", "") for file in files)

    def events(self, node: str) -> tuple[Event, ...]:
        return parse_events(self._text(self.edge.source_journal, self.edge.storm_journal))

    def first_reads(self, node: str) -> tuple[int, ...]:
        return parse_first_reads(self._text(self.edge.source_journal), "boiler")

    def records(self, node: str) -> Records:
        return parse_records(self._text(*(self.edge.records(way.name) for way in self.ways)))

    def activations(self, node: str) -> tuple[Activation, ...]:
        return parse_activations(self._text(self.edge.activator_journal))

    def running(self, node: str) -> frozenset[str]:
        assert self.supervisor is not None
        return self.supervisor.running()

    def copies(self) -> tuple[str, ...]:
        return tuple(self.ask((self.cloud.program, "copies", "--server", self.cloud.url)).split())

    def steps(self, node: str) -> tuple[Step, ...]:
        return self.plant.known()

    def clock(self, node: str) -> ClockBounds:
        return ClockBounds(0, 0)

    def memory(self, node: str) -> Memory:
        files = ("/proc/meminfo", "/proc/vmstat")
        return memory_in("\n".join(Path(file).read_text() for file in files))

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        return Deadline.after(LIMIT).wait_for(what, self._served(probe), every=0.1)

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        limit = Deadline.after(min(seconds, LIMIT / 2))
        with contextlib.suppress(DeadlineExceeded):
            limit.wait_for("what is looked for", self._served(probe), every=0.1)
            return True
        return False

    def _served(self, probe: Callable[[], Any]) -> Callable[[], Any]:
        """What systemd does meanwhile: the broker is started anew when that was asked for."""

        def look() -> Any:
            asked = self.folder / "restart-broker"
            if asked.exists():
                asked.unlink()
                self.kill_brokers()
            return probe()

        return look

    # -- faults --------------------------------------------------------------------------------

    def storm(self, node: str, ways: Sequence[str], count: int) -> None:
        for way in ways:
            self.ask(storm_command(self.edge, way, count))

    def offline(self) -> contextlib.AbstractContextManager[None]:
        return self.wire.silent()

    def line(self, profile: str) -> contextlib.AbstractContextManager[None]:
        return self.wire.slow(LINE_SECONDS)

    def reset(self) -> None:
        """Without what a disk loses: that takes a machine."""
        assert self.supervisor is not None
        with self.supervisor.without_power():
            for name in ("broker", "source", "activator"):
                self.kill(name)
            shutil.rmtree(self.edge.pods, ignore_errors=True)
            for file in self.units.iterdir():
                file.unlink()
            self.start_edge()

    def kill_brokers(self) -> None:
        self.kill("broker")
        self.start("broker", broker_command(self.edge))

    def kill_activator(self, node: str) -> None:
        self.kill("activator")
        if self.restarts_activator:
            self.start("activator", activator_command(self.edge))

    @contextlib.contextmanager
    def full_disks(self) -> Iterator[None]:
        with filled(Path(self.edge.state)):
            yield

    def wrong_clock(self, node: str, seconds: float) -> contextlib.AbstractContextManager[None]:
        raise NotImplementedError("its clock is this machine's: a ClockSite has its own")

    @contextlib.contextmanager
    def no_activators(self) -> Iterator[None]:
        self.kill("activator")
        try:
            yield
        finally:
            self.start("activator", activator_command(self.edge))


S = TypeVar("S", bound=Site)


@contextlib.contextmanager
def running(site: S) -> Iterator[S]:
    """All parts run while the block does."""
    try:
        site.start_all()
        yield site
    finally:
        site.end()


def running_site(
    folder: Path, suite: str, program: Path, plant: Plant, device: str, **how: Any
) -> contextlib.AbstractContextManager[Site]:
    """All parts run while the block does."""
    return running(Site(folder, suite, program, plant, device, **how))
