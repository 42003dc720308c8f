"""A device process and a wired peer, for tests that talk to a device as a client does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.devices import DeviceClient, DeviceSpec, IdentityFiles, start_device
from edge_lab.devices.faults import Junk, Slow
from edge_lab.pki import Authority, CertificateSpec, Identity, KeyKind, Usage
from edge_lab.topology import ModbusOptions, OpcUaOptions, Protocol

HERE = Path(__file__).parent
PEER_ADDRESS = "10.78.0.11/24"
SAMPLER_URI = "urn:edge-lab:sampler:edge-arm"


PATIENCE = 60.0
"""s for what must come, on a machine that may have much else to do."""


class PatientClient(DeviceClient):
    """A deadline says how long a device may try itself, and not how soon it must have said so.

    The product gives a device that tries in vain a fifth of the deadline to be scheduled and to
    answer: of one second, too little on a busy machine.
    """

    def _ask(self, op: str, deadline: Deadline | None, **more: object) -> Any:
        if deadline is None:
            return super()._ask(op, None, **more)
        return super()._ask(op, Deadline.after(PATIENCE), within=deadline.remaining, **more)


def require_namespaces() -> None:
    """Skips where no network namespace with a tap may be made."""
    command = [sys.executable, str(HERE / "peer.py"), "--address", PEER_ADDRESS, "--", "true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        pytest.skip(f"no namespace with a tap here: {done.stderr.strip().splitlines()[-1]}")


@dataclass
class Site:
    """One device that runs, and the means to be its client."""

    spec: DeviceSpec
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def client(self) -> PatientClient:
        return PatientClient(self.spec.folder)

    @property
    def open_files(self) -> int:
        """How many files and sockets the device's process has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def restart(self) -> None:
        self.process = start_device(self.spec, run=self.spec.folder, log=self.log)
        self.ready()

    def ready(self) -> None:
        def alive() -> None:
            assert self.process.poll() is None, self.log.read_text()

        self.client.wait_ready(Deadline.after(PATIENCE), watch=alive)

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE)


def start_site(spec: DeviceSpec) -> Site:
    log = spec.folder.parent / f"{spec.name}.log"
    site = Site(spec, log, start_device(spec, run=spec.folder, log=log))
    try:
        site.ready()
    except BaseException:
        site.process.kill()
        raise
    return site


def as_client(sites: Sequence[Site], script: Path, *words: str) -> Any:
    """Runs a Python file in a namespace on the devices' wire; returns the JSON it prints."""
    done = subprocess.run(
        peer_command(sites, [sys.executable, str(script), *words]),
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def peer_command(sites: Sequence[Site], command: Sequence[str]) -> list[str]:
    wires = [
        word
        for site in sites
        for word in ("--wire", f"{site.spec.fabric_port}:{site.spec.endpoint_port}")
    ]
    peer = [sys.executable, str(HERE / "peer.py"), "--address", PEER_ADDRESS]
    return [*peer, *wires, "--", *command]


# -- specifications ----------------------------------------------------------------------


def boiler_spec(
    folder: Path,
    period_ms: int = 50,
    *,
    protocol: Protocol = Protocol.MODBUS,
    modbus: ModbusOptions | None = None,
) -> DeviceSpec:
    fabric, endpoint = choose_ports(2)
    return DeviceSpec(
        name="boiler",
        protocol=protocol,
        modbus=modbus or ModbusOptions(),
        seed=11,
        period_ms=period_ms,
        address=IPv4Interface("10.78.0.101/24"),
        mac="52:54:00:ed:00:06",
        fabric_port=fabric,
        endpoint_port=endpoint,
        folder=folder / "boiler",
    )


def press_spec(
    folder: Path,
    authority: Authority,
    period_ms: int = 50,
    nodes: OpcUaOptions | None = None,
) -> DeviceSpec:
    fabric, endpoint = choose_ports(2)
    own = authority.issue(certificate("press", "urn:edge-lab:device:press", both=True))
    store(folder, "press", own)
    trust = folder / "trust"
    trust.mkdir(parents=True)
    (trust / "ca.crt").write_bytes(authority.certificate_pem)
    return DeviceSpec(
        name="press",
        protocol=Protocol.OPCUA,
        seed=23,
        period_ms=period_ms,
        address=IPv4Interface("10.78.0.102/24"),
        mac="52:54:00:ed:00:07",
        fabric_port=fabric,
        endpoint_port=endpoint,
        folder=folder / "press",
        nodes=nodes or OpcUaOptions(),
        identity=IdentityFiles(
            certificate=folder / "press.crt", key=folder / "press.key", trust=trust
        ),
    )


def certificate(name: str, uri: str = SAMPLER_URI, *, both: bool = False) -> CertificateSpec:
    return CertificateSpec(
        common_name=name,
        uris=(uri,),
        usages=(Usage.SERVER, Usage.CLIENT) if both else (Usage.CLIENT,),
        key=KeyKind.RSA,
        encipherment=True,
    )


def store(folder: Path, name: str, identity: Identity) -> None:
    (folder / f"{name}.crt").write_bytes(identity.certificate_pem)
    (folder / f"{name}.key").write_bytes(identity.key_pem)


def assert_failing_reads_leave_nothing_open(site: Site) -> None:
    """Reads of itself that a fault makes fail leave no file open in the device."""
    assert site.client.status().reachable
    before = site.open_files
    for wrong in (Junk(), Slow(delay_ms=60_000)):
        site.client.set_fault(wrong, Deadline.after(0.5))
        for _ in range(3):
            assert not site.client.status(Deadline.after(0.5)).reachable
    site.client.set_fault(None)
    Deadline.after(PATIENCE).wait_for("all is closed", lambda: site.open_files <= before)
