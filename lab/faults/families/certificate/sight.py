"""Whether a certificate is in use: a server presents it, or a client's peer has received it."""

from __future__ import annotations

import json
import re
import shlex
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from edge_lab.faults.limits import PROBE_SECONDS, TimeLimit
from edge_lab.pki import ClientLog, InstalledCertificate
from edge_lab.stacks.audit import AUDIT_LOG

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from ipaddress import IPv4Address

    from edge_lab.machines import Machine

RECENT_BYTES = 500_000
"""Size of the part of the audit log that is searched: at least some minutes of it."""

SHOWN = """\
import ssl, sys
print(ssl.get_server_certificate((sys.argv[1], int(sys.argv[2])), timeout=15))
"""
"""Prints the certificate of a server, without verifying it."""


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, in the format of the API server's audit log."""
    return certificate.fingerprint(hashes.SHA256()).hex()


class Met(StrEnum):
    """How its peer reacted to a client that presented a certificate."""

    NOTHING = ""
    """None came."""
    LET_IN = "let in"
    REFUSED = "refused"


class Sight:
    """Checks certificates from the server node of a lab, over the network where they are used.
    Certificates of clients with a log are checked on the client's node."""

    def __init__(self, machines: Mapping[str, Machine], server: str, limit: TimeLimit) -> None:
        self._machines = machines
        self._server = machines[server]
        self._limit = limit

    def now(self) -> str:
        """The server's clock, to the microsecond: seconds since 1970, and the same in the format of
        its audit log."""
        return self._run("date -u '+%s.%6N %Y-%m-%dT%H:%M:%S.%6N'")

    def shown(self, certificate: x509.Certificate, address: IPv4Address, port: int) -> bool:
        """Whether a server presents that certificate now; False if it does not answer."""
        said = self._run(f"python3 -I -c {shlex.quote(SHOWN)} {address} {port} 2>/dev/null || true")
        try:
            found = x509.load_pem_x509_certificate(said.encode())
        except ValueError:
            return False
        return fingerprint(found) == fingerprint(certificate)

    def in_use(
        self,
        held: InstalledCertificate,
        certificate: x509.Certificate,
        since: str,
        effects: Collection[Met],
    ) -> str:
        """Describes its use since that time: a server presents it, or the peer of a client reacted
        with one of `effects`; empty if it was not seen."""
        name = f"certificate {fingerprint(certificate)[:16]}"
        if held.shown_at is not None:
            return f"{name} is shown" if self.shown(certificate, *held.shown_at) else ""
        met = self.met(held, certificate, since)
        return f"{name} was {met} by its peer" if met in effects else ""

    def met(self, held: InstalledCertificate, certificate: x509.Certificate, since: str) -> Met:
        """How the peer reacted to a client that presented the certificate `held` since that time
        (see `now`)."""
        if held.log is not None:
            return self._met_by_log(held, held.log, since)
        return self._met_by_api_server(certificate, since)

    def _met_by_log(self, held: InstalledCertificate, log: ClientLog, since: str) -> Met:
        """The log names no certificate: the last result of the client since its last start."""
        epoch = since.partition(" ")[0]
        unit = shlex.quote(held.unit)
        line = self._run(
            f"journalctl -q -o cat --since=@{epoch} "
            f'_SYSTEMD_INVOCATION_ID="$(systemctl show -p InvocationID --value {unit})" | '
            f"grep -E {shlex.quote(f'{log.let_in}|{log.refused}')} | tail -n 1 || true",
            self._machines[held.node],
        )
        if not line:
            return Met.NOTHING
        return Met.LET_IN if re.search(log.let_in, line) else Met.REFUSED

    def _met_by_api_server(self, certificate: x509.Certificate, since: str) -> Met:
        epoch, _, stamp = since.partition(" ")
        serial = certificate.serial_number
        id_ = f"X509SHA256={fingerprint(certificate)}"
        accepted = self._run(
            f"tail -c {RECENT_BYTES} {AUDIT_LOG} | grep -F {id_} | tail -n 1 || true"
        )
        if accepted and self._time_of(accepted) >= stamp:
            return Met.LET_IN
        # The API server's unit differs between stacks. Its log has the serial number in decimal.
        refused = self._run(
            f"journalctl -q -o cat --since=@{epoch} | grep -F -m 1 'verifying certificate "
            f"SN={serial},' || true"
        )
        return Met.REFUSED if refused else Met.NOTHING

    def _time_of(self, line: str) -> str:
        try:
            return str(json.loads(line)["requestReceivedTimestamp"])
        except (ValueError, KeyError, TypeError):
            return ""  # The bytes that were read begin in the middle of a line.

    def _run(self, command: str, machine: Machine | None = None) -> str:
        return (machine or self._server).run(command, self._limit(PROBE_SECONDS)).stdout.strip()
