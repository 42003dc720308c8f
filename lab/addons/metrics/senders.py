"""The senders: programs on edge nodes that scrape locally and write to the cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge_lab.addons.metrics.names import (
    JOB,
    METRICS,
    PROMETHEUS_PROGRAM,
    QUERY_PORT,
    RECEIVER_PORT,
    SCRAPE_SECONDS,
    STATE,
    VMAGENT_PROGRAM,
)
from edge_lab.addons.metrics.place import Place
from edge_lab.core.yamltext import yaml_text
from edge_lab.images import DebianProgram
from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.stacks.unit import Service
from edge_lab.topology import Topology

MEMORY_MIB = 96
"""Soft limit of a sender's Go heap (GOMEMLIMIT)."""

OUT_OF_ORDER = "24h"
"""Out-of-order window: how far behind the newest sample one is accepted. Without it Prometheus
refuses samples more than an hour behind the newest of any series: so all that an edge node buffered
for longer than that while another node was online."""

BLOCK_MINUTES = 2
"""Length of a block of the sender `thanos`, whose samples are in the object storage when their
block is complete. Prometheus' default is two hours, too long for a test."""

AGENT_OPTIONS: Mapping[str, tuple[str, ...]] = {"trixie": ("--enable-feature=agent",)}
"""By Debian suite, the option for Prometheus' agent mode: 2.x in trixie."""
AGENT_OPTION = ("--agent",)
"""The same since 3.0."""

SEPARATE_BLOCKS: Mapping[str, tuple[str, ...]] = {"trixie": ()}
"""By Debian suite, the option by which overlapping blocks, from samples out of order, are not
merged; 2.53 in trixie has none."""
SEPARATE_BLOCKS_OPTION = ("--no-storage.tsdb.allow-overlapping-compaction",)
"""The same since 3.0."""

Config = Callable[[Place, str], dict[str, Any]]
Command = Callable[[Place, str, str], tuple[str, ...]]


@dataclass(frozen=True)
class Sender:
    """A sender. Its functions take the place, and `name` or the address that it listens on."""

    name: str
    """Short: the add-on and the capability are `metrics-<name>`."""
    title: str
    program: DebianProgram
    port: int
    """Port on loopback, for its own metrics."""
    sent_bytes: str
    """The name of its own metric that counts the bytes written to the cloud; empty if samples are
    not written one by one."""
    _config: Config
    _command: Command
    view_port: int = RECEIVER_PORT
    """Port on the server where its samples can be queried."""

    @property
    def addon(self) -> str:
        return f"{METRICS}-{self.name}"

    @property
    def service_name(self) -> str:
        return f"edge-lab-metrics-{self.name}"

    @property
    def unit(self) -> str:
        return f"{self.service_name}.service"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def health(self) -> str:
        """Path of its health check, which answers 200."""
        return "/-/ready" if self.program == PROMETHEUS_PROGRAM else "/-/healthy"

    def config(self, place: Place) -> str:
        """The text of its configuration."""
        return yaml_text(self._config(place, self.name))

    def command(self, place: Place, listen: str = "") -> tuple[str, ...]:
        return self._command(place, self.name, listen or self.address)

    def service(self, place: Place, after: tuple[str, ...]) -> Service:
        return Service(
            name=self.service_name,
            description=f"{self.title}, for this node's metrics",
            command=self.command(place),
            after=after,
            wants=after,
            environment={"GOMEMLIMIT": f"{MEMORY_MIB}MiB"},
            mounts=(str(PAYLOAD_MOUNT),),
            state_directory=f"{STATE}/{self.name}",
        )


def _scraping(place: Place, name: str) -> dict[str, Any]:
    return {
        "global": {
            "scrape_interval": f"{SCRAPE_SECONDS}s",
            "scrape_timeout": f"{SCRAPE_SECONDS}s",
            "external_labels": {"node": place.node, "sender": name},
        },
        "scrape_configs": [
            {
                "job_name": JOB,
                "metrics_path": f"/metrics/{name}",
                "static_configs": [{"targets": [place.exporter]}],
            }
        ],
    }


def _storing(place: Place, name: str) -> dict[str, Any]:
    """Without the window it refuses samples that are behind its own newest one, after its clock was
    set back: as a database always, as an agent since 3.x."""
    window = {"tsdb": {"out_of_order_time_window": OUT_OF_ORDER}}
    return {**_scraping(place, name), "storage": window}


def _writing(place: Place, name: str) -> dict[str, Any]:
    """Everything else is left at its default, since the product is under test."""
    tls = {"ca_file": place.ca, "cert_file": place.certificate, "key_file": place.key}
    return {
        **_storing(place, name),
        "remote_write": [{"url": write_url(place), "tls_config": tls}],
    }


def write_url(place: Place) -> str:
    return f"https://{place.receiver}/api/v1/write"


def _agent(place: Place, name: str, listen: str) -> tuple[str, ...]:
    return (
        *place.start(PROMETHEUS_PROGRAM),
        *AGENT_OPTIONS.get(place.suite, AGENT_OPTION),
        f"--config.file={place.config(name)}",
        f"--storage.agent.path={place.folder(name)}",
        f"--web.listen-address={listen}",
    )


def _server(place: Place, name: str, listen: str) -> tuple[str, ...]:
    return (
        *place.start(PROMETHEUS_PROGRAM),
        f"--config.file={place.config(name)}",
        f"--storage.tsdb.path={place.folder(name)}",
        "--storage.tsdb.retention.time=1d",
        f"--web.listen-address={listen}",
    )


def _blocks(place: Place, name: str, listen: str) -> tuple[str, ...]:
    """As Thanos' sidecar requires it: blocks have one length, so they are not compacted."""
    return (
        *_server(place, name, listen),
        f"--storage.tsdb.min-block-duration={BLOCK_MINUTES}m",
        f"--storage.tsdb.max-block-duration={BLOCK_MINUTES}m",
        *SEPARATE_BLOCKS.get(place.suite, SEPARATE_BLOCKS_OPTION),
    )


def _vmagent(place: Place, name: str, listen: str) -> tuple[str, ...]:
    return (
        *place.start(VMAGENT_PROGRAM),
        f"-promscrape.config={place.config(name)}",
        f"-remoteWrite.url={write_url(place)}",
        f"-remoteWrite.tmpDataPath={place.folder(name)}",
        f"-remoteWrite.tlsCAFile={place.ca}",
        f"-remoteWrite.tlsCertFile={place.certificate}",
        f"-remoteWrite.tlsKeyFile={place.key}",
        # Otherwise it tries its own protocol first, which Prometheus answers with an error each
        # time.
        "-remoteWrite.forcePromProto=true",
        f"-httpListenAddr={listen}",
    )


AGENT = Sender(
    "agent",
    "Prometheus in agent mode",
    PROMETHEUS_PROGRAM,
    9091,
    "prometheus_remote_storage_bytes_total",
    _writing,
    _agent,
)
PROMETHEUS = Sender(
    "prometheus",
    "Prometheus with remote write",
    PROMETHEUS_PROGRAM,
    9092,
    "prometheus_remote_storage_bytes_total",
    _writing,
    _server,
)
VMAGENT = Sender(
    "vmagent",
    "vmagent",
    VMAGENT_PROGRAM,
    8429,
    "vmagent_remotewrite_bytes_sent_total",
    _scraping,
    _vmagent,
)
SIDECAR_SENDER = Sender(
    "thanos",
    "Prometheus with Thanos' sidecar",
    PROMETHEUS_PROGRAM,
    9093,
    "",
    _storing,
    _blocks,
    view_port=QUERY_PORT,
)

WRITERS: Mapping[str, Sender] = {sender.name: sender for sender in (AGENT, PROMETHEUS, VMAGENT)}
"""Those that write to the receiver."""
SENDERS: Mapping[str, Sender] = {**WRITERS, SIDECAR_SENDER.name: SIDECAR_SENDER}


def senders_of(topology: Topology) -> tuple[Sender, ...]:
    """The senders that a topology lists."""
    return tuple(sender for sender in SENDERS.values() if sender.addon in topology.addons)
