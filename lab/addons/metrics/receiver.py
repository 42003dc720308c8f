"""The receiver on the server node: Prometheus, which stores what senders write and answers
queries."""

from __future__ import annotations

from typing import Any

from edge_lab.addons.guestprogram import guest_program
from edge_lab.addons.metrics import guest
from edge_lab.addons.metrics.names import ASK, PROMETHEUS_PROGRAM, RECEIVER, RECEIVER_PORT, STATE
from edge_lab.addons.metrics.place import Place
from edge_lab.addons.metrics.senders import OUT_OF_ORDER
from edge_lab.core.yamltext import yaml_text
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.unit import Service

NAME = "receiver"
WEB = "web"

LOOKBACK_SECONDS = 30
"""Lookback delta: for this long a query returns the last sample of a series without newer ones, as
a straight line. Prometheus' default is 5 min."""

MEMORY_MIB = 192
"""Soft limit of its Go heap (GOMEMLIMIT)."""


def receiver_config() -> str:
    """It scrapes nothing."""
    return yaml_text({"storage": {"tsdb": {"out_of_order_time_window": OUT_OF_ORDER}}})


def web_config(place: Place) -> str:
    """Mutual TLS for all requests: writing and reading need a certificate of the metrics'
    authority."""
    server: dict[str, Any] = {
        "cert_file": place.certificate,
        "key_file": place.key,
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_ca_file": place.ca,
    }
    return yaml_text({"tls_server_config": server})


def receiver_command(place: Place, listen: str = f"0.0.0.0:{RECEIVER_PORT}") -> tuple[str, ...]:
    return (
        *place.start(PROMETHEUS_PROGRAM),
        f"--config.file={place.config(NAME)}",
        f"--web.config.file={place.config(WEB)}",
        f"--web.listen-address={listen}",
        "--web.enable-remote-write-receiver",
        f"--storage.tsdb.path={place.folder(NAME)}",
        "--storage.tsdb.retention.time=2d",
        f"--query.lookback-delta={LOOKBACK_SECONDS}s",
    )


def receiver_service(place: Place) -> Service:
    return Service(
        name=RECEIVER,
        description="Prometheus remote-write receiver",
        command=receiver_command(place),
        environment={"GOMEMLIMIT": f"{MEMORY_MIB}MiB"},
        mounts=(str(PAYLOAD_MOUNT),),
        state_directory=f"{STATE}/{NAME}",
    )


def receiver_provision(place: Place) -> Provision:
    """Unit and files, and the program with which the lab queries it."""
    return receiver_service(place).provision(
        GuestFile.text(place.config(NAME), receiver_config()),
        GuestFile.text(place.config(WEB), web_config(place)),
        GuestFile.text(ASK, guest_program(guest.__name__, "ask")),
    )
