"""Senders and receiver on this machine: two network namespaces and a switch between them, by the
lab's own configurations, certificates and exporter. Frames are dropped without a word by taking the
edge's port out of the switch."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode

import pytest

from edge_lab.addons.metrics.guest import ask, exporter
from edge_lab.addons.metrics.identities import METRICS_DOMAIN, receiver_spec, sender_spec
from edge_lab.addons.metrics.names import DEVICE_SEQUENCE, SCRAPES
from edge_lab.addons.metrics.place import Place
from edge_lab.addons.metrics.receiver import (
    NAME,
    WEB,
    receiver_command,
    receiver_config,
    web_config,
)
from edge_lab.addons.metrics.records import (
    Answer,
    Origin,
    Served,
    Stored,
    parse_answer,
    parse_served,
    raw_samples,
    stored_samples,
)
from edge_lab.addons.metrics.senders import WRITERS, Sender
from edge_lab.addons.tlsfiles import CA, CERTIFICATE, KEY
from edge_lab.core.deadline import Deadline
from edge_lab.pki import IdentityRequest, Pki, Request
from tests.addons.fetch import FOLDER
from tests.namespaces import Namespace, connect, new_namespace

LIMIT = 60.0
NODE = "edge-arm"
CLOUD_ADDRESS, EDGE_ADDRESS = "10.77.0.1", "10.77.0.11"
SHOWN_STEP = 1
"""Of the device `boiler`, all the time."""
EXPORTER = "127.0.0.1:9106"
RECEIVER = f"{CLOUD_ADDRESS}:9090"


def programs(suite: str) -> Path:
    """The folder of the suite's programs; skips the test if they are not there."""
    folder = FOLDER / suite / "usr/bin"
    missing = [name for name in ("prometheus", "vmagent") if not (folder / name).is_file()]
    if missing:
        pytest.skip(
            f"Debian's {' and '.join(missing)} of {suite} are not in {folder}: "
            "`python -m tests.addons.metrics.fetch` gets them"
        )
    program = folder / "prometheus"
    if subprocess.run([program, "--version"], capture_output=True).returncode:
        pytest.skip(f"{program} does not run on this machine")
    return folder


@dataclass
class Site:
    """One edge node with all senders, and the server."""

    folder: Path
    suite: str
    cloud: Namespace
    switch: Namespace
    edge: Namespace
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    senders: ClassVar[Mapping[str, Sender]] = WRITERS

    def requests(self) -> tuple[Request, ...]:
        return (
            IdentityRequest(METRICS_DOMAIN, "server", receiver_spec(CLOUD_ADDRESS)),
            IdentityRequest(METRICS_DOMAIN, NODE, sender_spec(NODE)),
        )

    def __post_init__(self) -> None:
        pki = Pki.create(self.folder / "pki", self.requests())
        for part, name in (("cloud", "server"), ("edge", NODE)):
            place = self.place(part)
            Path(place.files).mkdir()
            Path(place.state).mkdir()
            identity = pki.identity(METRICS_DOMAIN, name)
            for file, content in {
                CA: pki.authority(METRICS_DOMAIN).certificate_pem,
                CERTIFICATE: identity.certificate_pem,
                KEY: identity.key_pem,
            }.items():
                (Path(place.files) / file).write_bytes(content)
        cloud = self.place("cloud")
        Path(cloud.config(NAME)).write_text(receiver_config())
        Path(cloud.config(WEB)).write_text(web_config(cloud))
        for sender in self.senders.values():
            place = self.place("edge")
            Path(place.config(sender.name)).write_text(sender.config(place))
        self.write_more(pki)

    def write_more(self, pki: Pki) -> None:
        """Files of further parts."""

    def place(self, part: str) -> Place:
        return Place(
            NODE,
            RECEIVER,
            self.suite,
            exporter=EXPORTER,
            programs=str(programs(self.suite)),
            files=str(self.folder / part),
            state=str(self.folder / f"{part}-state"),
        )

    # -- processes ---------------------------------------------------------------------------

    def start(self, name: str, where: Namespace, argv: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                where.argv(argv), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def start_receiver(self) -> None:
        self.start("receiver", self.cloud, receiver_command(self.place("cloud"), RECEIVER))
        Deadline.after(LIMIT).wait_for("the receiver", lambda: self.ask("/-/ready") is not None)

    def start_exporter(self) -> None:
        known = [word for name in self.senders for word in ("--sender", name)]
        argv = (sys.executable, exporter.__file__, "--listen", EXPORTER, "--log", str(self.log))
        self.start("exporter", self.edge, (*argv, *known, "--status", str(self.status)))

    def start_sender(self, sender: Sender) -> None:
        self.start(sender.name, self.edge, sender.command(self.place("edge")))

    def start_cloud(self) -> None:
        self.start_receiver()

    def start_node(self) -> None:
        self.start_exporter()
        for sender in self.senders.values():
            self.start_sender(sender)

    def start_node_part(self, name: str) -> None:
        self.start_sender(self.senders[name])

    @property
    def node_parts(self) -> tuple[str, ...]:
        """The processes of the edge node."""
        return ("exporter", *self.senders)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        process = self.running.pop(name)
        process.send_signal(number)
        process.wait(LIMIT)

    def end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()

    # -- the wire ----------------------------------------------------------------------------

    @contextlib.contextmanager
    def slow(self, kbit: float) -> Iterator[None]:
        """The node sends no faster."""
        rate = ("tbf", "rate", f"{kbit:g}kbit", "burst", "2kb", "latency", "60s")
        self.edge.run("tc", "qdisc", "add", "dev", "to-switch", "root", *rate)
        try:
            yield
        finally:
            self.edge.run("tc", "qdisc", "del", "dev", "to-switch", "root")

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Nothing passes in either direction, and neither side is told."""
        self.switch.run("ip", "link", "set", "to-edge", "nomaster")
        try:
            yield
        finally:
            self.switch.run("ip", "link", "set", "to-edge", "master", "switch")

    # -- what there is -----------------------------------------------------------------------

    @property
    def log(self) -> Path:
        return self.folder / "served.jsonl"

    @property
    def status(self) -> Path:
        return self.folder / "status.json"

    def show_devices(self, **sequence: int) -> None:
        """As the sampler's status says it."""
        devices = {name: {"last_seq": number} for name, number in sequence.items()}
        fresh = self.status.with_suffix(".new")
        fresh.write_text(json.dumps({"devices": devices}))
        fresh.rename(self.status)

    def served(self, sender: str) -> tuple[Served, ...]:
        if not self.log.exists():
            return ()
        return parse_served(self.log.read_bytes().partition(b"\0")[0].decode()).get(sender, ())

    def ask(self, path: str, *, folder: Path | None = None, **parameters: Any) -> str | None:
        """With the certificates in `folder`, or the server's; None if there is no answer."""
        url = f"https://{RECEIVER}{path}?{urlencode(parameters)}"
        argv = (sys.executable, ask.__file__, str(folder or self.place("cloud").files), "60", url)
        done = self.cloud.try_run(*argv)
        return done.stdout if done.returncode == 0 else None

    def query(self, query: str, **parameters: Any) -> tuple[Answer, ...]:
        answer = self.ask("/api/v1/query", query=query, **parameters)
        assert answer is not None
        return parse_answer(answer)

    def stored(self, sender: str) -> tuple[Stored, ...]:
        counts, devices = raw_samples(SCRAPES, 3600), raw_samples(DEVICE_SEQUENCE, 3600)
        found = stored_samples(self.query(counts), self.query(devices))
        return found.get(Origin(NODE, sender), ())

    def query_range(self, query: str, start: float, end: float, step: float) -> tuple[Answer, ...]:
        answer = self.ask("/api/v1/query_range", query=query, start=start, end=end, step=step)
        assert answer is not None
        return parse_answer(answer)

    def until_served(self, sender: str, more: int) -> int:
        """Until so many more samples were served; the number of the last one."""
        wanted = max((scrape.number for scrape in self.served(sender)), default=0) + more
        Deadline.after(LIMIT + 4 * more).wait_for(
            f"{more} more scrapes of {sender}",
            lambda: any(scrape.number >= wanted for scrape in self.served(sender)),
            every=0.5,
        )
        return wanted


S = TypeVar("S", bound=Site)


@contextlib.contextmanager
def running_site(folder: Path, suite: str, kind: type[S]) -> Iterator[S]:
    """Receiver, exporter and all senders run while the block does, wired to each other."""
    programs(suite)
    with (
        new_namespace() as cloud,
        new_namespace(cloud) as switch,
        new_namespace(cloud) as edge,
    ):
        connect(cloud, "to-switch", switch, "to-cloud")
        switch.run("ip", "link", "add", "switch", "type", "bridge")
        switch.run("ip", "link", "set", "switch", "up")
        connect(switch, "to-edge", edge, "to-switch")
        for port in ("to-cloud", "to-edge"):
            switch.run("ip", "link", "set", port, "master", "switch")
        cloud.run("ip", "address", "add", f"{CLOUD_ADDRESS}/24", "dev", "to-switch")
        edge.run("ip", "address", "add", f"{EDGE_ADDRESS}/24", "dev", "to-switch")
        site = kind(folder, suite, cloud, switch, edge)
        try:
            site.show_devices(boiler=SHOWN_STEP)
            site.start_cloud()
            site.start_node()
            yield site
        finally:
            site.end()
