"""The exporter on each edge node: its unit, and its program (guest/exporter.py)."""

from __future__ import annotations

from collections.abc import Sequence

from edge_lab.addons.guestprogram import PYTHON, guest_program
from edge_lab.addons.metrics import guest
from edge_lab.addons.metrics.names import (
    EXPORTER,
    EXPORTER_ADDRESS,
    EXPORTER_PROGRAM,
    SERVED,
    STATE,
)
from edge_lab.addons.metrics.senders import Sender
from edge_lab.addons.workload.manifests import SAMPLER_STATUS
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks.unit import Service


def exporter_command(senders: Sequence[Sender]) -> tuple[str, ...]:
    return (
        *(*PYTHON, EXPORTER_PROGRAM),
        *("--listen", EXPORTER_ADDRESS, "--log", SERVED, "--status", SAMPLER_STATUS),
        *(word for sender in senders for word in ("--sender", sender.name)),
    )


def exporter_provision(senders: Sequence[Sender]) -> Provision:
    service = Service(
        name=EXPORTER,
        description="Metrics exporter with numbered samples",
        command=exporter_command(senders),
        state_directory=f"{STATE}/exporter",
    )
    return service.provision(
        GuestFile.text(EXPORTER_PROGRAM, guest_program(guest.__name__, "exporter"))
    )
