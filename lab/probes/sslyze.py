"""What sslyze says of an endpoint, in the words of the lab.

sslyze needs a `cryptography` older than the lab's, so it is a program in an environment of its own,
and its JSON is what it is asked by (ServerScanResultAsJson of sslyze 6).
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
"""In a checkout, where `make peers` puts it."""

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
    """What a server makes of clients' certificates in the handshake."""

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
    """That the signature is over; empty where the algorithm has none."""
    serial: str
    """In decimal."""


@dataclass(frozen=True)
class Scan:
    """One endpoint as sslyze has found it."""

    versions: frozenset[str]
    """Those in which the server takes at least one cipher suite."""
    client_certificate: ClientCertificate
    certificate: ScannedCertificate
    defects: tuple[str, ...] = ()
    """Known vulnerabilities that it has."""
    unfinished: tuple[str, ...] = ()
    """Questions that sslyze could not answer: they say nothing either way."""


def installed(checkout: Path) -> Path:
    """The program; MissingCapability where it is not."""
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
    """Of a port of this host's loopback; `slow` makes fewer connections at a time.

    It shows no certificate: with one, sslyze takes a server that requires it for one that asks for
    none.
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
            raise DeadlineExceeded(f"sslyze was not done in {deadline.total:.0f} s") from late
        # Its exit code says whether the server is to its taste; whether it ran, the file says.
        if not answer.exists():
            raise LabError(f"sslyze has written no answer: {done.stderr.strip()[-500:]}")
        return scan_of(answer.read_text(encoding="utf-8"))


def scan_of(text: str) -> Scan:
    """The one server in sslyze's JSON; LabError if it was not reached or the JSON is no such."""
    try:
        (server,) = json.loads(text)["server_scan_results"]
        if server["connectivity_status"] != "COMPLETED":
            trouble = str(server["connectivity_error_trace"]).strip().splitlines()[-1:]
            raise LabError(f"sslyze has made no TLS connection: {''.join(trouble)}")
        return _scan(server["connectivity_result"], server["scan_result"])
    except (KeyError, IndexError, TypeError, ValueError) as trouble:
        raise LabError(f"sslyze has answered in another form: {trouble!r}") from trouble


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
