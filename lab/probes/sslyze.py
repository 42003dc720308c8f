"""The result of sslyze for an endpoint, in the lab's terms.

sslyze needs an older `cryptography` than the lab, so it runs as a program in a separate
environment, and its JSON is parsed (ServerScanResultAsJson of sslyze 6).
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError, MissingCapability

INSTALLED = Path("build", "peers", "sslyze", "bin", "sslyze")
"""Where `make peers` installs it, in a checkout."""

_VERSIONS = {
    "ssl_2_0_cipher_suites": "SSLv2",
    "ssl_3_0_cipher_suites": "SSLv3",
    "tls_1_0_cipher_suites": "TLSv1",
    "tls_1_1_cipher_suites": "TLSv1.1",
    "tls_1_2_cipher_suites": "TLSv1.2",
    "tls_1_3_cipher_suites": "TLSv1.3",
}
"""By result, the version as OpenSSL names it."""
_DEFECTS = {
    "heartbleed": ("Heartbleed", "is_vulnerable_to_heartbleed", (True,)),
    "openssl_ccs_injection": ("CCS injection", "is_vulnerable_to_ccs_injection", (True,)),
    "tls_compression": ("compression (CRIME)", "supports_compression", (True,)),
    "robot": (
        "ROBOT",
        "robot_result",
        ("VULNERABLE_WEAK_ORACLE", "VULNERABLE_STRONG_ORACLE"),
    ),
}
_OPTIONS = (
    "--quiet",
    "--mozilla_config=disable",
    "--certinfo",
    "--sslv2",
    "--sslv3",
    "--tlsv1",
    "--tlsv1_1",
    "--tlsv1_2",
    "--tlsv1_3",
    "--heartbleed",
    "--openssl_ccs",
    "--compression",
    "--robot",
)


class ClientCertificate(StrEnum):
    """How a server handles client certificates in the handshake."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NOT_ASKED = "not asked for"


_AUTH = {
    "REQUIRED": ClientCertificate.REQUIRED,
    "OPTIONAL": ClientCertificate.OPTIONAL,
    "DISABLED": ClientCertificate.NOT_ASKED,
}


@dataclass(frozen=True)
class ScannedCertificate:
    subject: str
    names: tuple[str, ...]
    starts: datetime
    ends: datetime
    key: str
    """Its algorithm and bits."""
    hash: str
    """The signature's hash; empty if the algorithm has none."""
    serial: str
    """In decimal."""


@dataclass(frozen=True)
class Scan:
    """The scan of one endpoint."""

    versions: frozenset[str]
    """Versions in which the server accepts at least one cipher suite."""
    client_certificate: ClientCertificate
    certificate: ScannedCertificate
    defects: tuple[str, ...] = ()
    """Known vulnerabilities that it has."""
    unfinished: tuple[str, ...] = ()
    """Checks that sslyze could not complete: they prove nothing either way."""


def installed(checkout: Path) -> Path:
    """The program; MissingCapability if it is not installed."""
    program = checkout / INSTALLED
    if not program.exists():
        raise MissingCapability("sslyze is not installed", remedy="`make peers` installs it.")
    return program


def scan(
    program: Path,
    port: int,
    deadline: Deadline,
    *,
    slow: bool = False,
) -> Scan:
    """Scans a port of this host's loopback; `slow` makes fewer connections at a time.

    It presents no certificate: with one, sslyze reports a server that requires it as one that
    does not request any.
    """
    with tempfile.TemporaryDirectory(prefix="edge-lab-sslyze-") as folder:
        answer = Path(folder, "answer.json")
        command = [str(program), *_OPTIONS, f"--json_out={answer}"]
        command += ["--slow_connection"] if slow else []
        try:
            done = subprocess.run(
                [*command, f"127.0.0.1:{port}"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=deadline.remaining,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise DeadlineExceeded(f"sslyze did not finish in {deadline.total:.0f} s") from late
        # The exit code rates the server; the file shows whether the scan ran.
        if not answer.exists():
            raise LabError(f"sslyze wrote no result: {done.stderr.strip()[-500:]}")
        return scan_of(answer.read_text(encoding="utf-8"))


def scan_of(text: str) -> Scan:
    """The one server in sslyze's JSON; LabError if it was not reached or the JSON is invalid."""
    try:
        (server,) = json.loads(text)["server_scan_results"]
        if server["connectivity_status"] != "COMPLETED":
            trouble = str(server["connectivity_error_trace"]).strip().splitlines()[-1:]
            raise LabError(f"sslyze made no TLS connection: {''.join(trouble)}")
        return _scan(server["connectivity_result"], server["scan_result"])
    except (KeyError, IndexError, TypeError, ValueError) as trouble:
        raise LabError(f"unexpected result of sslyze: {trouble!r}") from trouble


def _scan(connectivity: Mapping[str, Any], results: Mapping[str, Any]) -> Scan:
    answered = {
        name: results[name]["result"]
        for name in ("certificate_info", *_VERSIONS, *_DEFECTS)
        if results[name]["status"] == "COMPLETED"
    }
    (deployment, *_) = answered["certificate_info"]["certificate_deployments"]
    return Scan(
        versions=frozenset(
            version
            for name, version in _VERSIONS.items()
            if name in answered and answered[name]["accepted_cipher_suites"]
        ),
        client_certificate=_AUTH[connectivity["client_auth_requirement"]],
        certificate=_certificate(deployment["received_certificate_chain"][0]),
        defects=tuple(
            title
            for name, (title, field, bad) in _DEFECTS.items()
            if name in answered and answered[name][field] in bad
        ),
        unfinished=tuple(name for name in (*_VERSIONS, *_DEFECTS) if name not in answered),
    )


def _certificate(shown: Mapping[str, Any]) -> ScannedCertificate:
    names = shown["subject_alternative_name"]
    key, over = shown["public_key"], shown["signature_hash_algorithm"]
    return ScannedCertificate(
        subject=shown["subject"]["rfc4514_string"],
        names=(*names["dns_names"], *names["ip_addresses"]),
        starts=datetime.fromisoformat(shown["not_valid_before"]),
        ends=datetime.fromisoformat(shown["not_valid_after"]),
        key=f"{key['algorithm']} {key['key_size']}",
        hash=over["name"] if over else "",
        serial=str(shown["serial_number"]),
    )
