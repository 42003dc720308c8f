"""A server of an add-on as a process of this machine, and all probes of its endpoint."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from edge_lab.addons.tlsfiles import CA, CERTIFICATE, KEY
from edge_lab.core.deadline import Deadline
from edge_lab.oracles.identity import Finding, IdentityVerdict, judge_identity
from edge_lab.pki import Authority, CertificateSpec
from edge_lab.probes.endpoint import Endpoint
from tests.probes.conftest import TargetAt

START_SECONDS = 120.0


def write_identity(folder: Path, authority: Authority, spec: CertificateSpec) -> None:
    """Writes the files of an add-on's server: authority, certificate and key."""
    identity = authority.issue(spec)
    (folder / CA).write_bytes(authority.certificate_pem)
    (folder / CERTIFICATE).write_bytes(identity.certificate_pem)
    (folder / KEY).write_bytes(identity.key_pem)


@contextlib.contextmanager
def started(command: Sequence[str], log: Path, ready: str) -> Iterator[None]:
    """The process; begins when its log contains `ready`."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        Deadline.after(START_SECONDS).wait_for(
            f"{command[0]} is ready", lambda: ready in log.read_text()
        )
        yield
    finally:
        process.kill()
        process.wait()


def judge_at(port: int, declared: Endpoint, target_at: TargetAt) -> IdentityVerdict:
    """The verdict on all probes of the declared endpoint, at a port of this machine."""
    target = target_at(port, declared.policy)
    target = replace(
        target, endpoint=replace(target.endpoint, speaks=declared.speaks, request=declared.request)
    )
    endpoints = {target.endpoint.id: target.endpoint}
    return judge_identity("host", "none", list(target.try_all()), endpoints)


def admitted(verdict: IdentityVerdict) -> set[str]:
    """The probes that were admitted and should not have been."""
    return {check.record.probe for check in verdict.judged if check.finding is Finding.LET_IN}
