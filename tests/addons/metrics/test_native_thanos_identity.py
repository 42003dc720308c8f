"""Each wrong peer at the S3 server and at the querier, for real, on this machine: as their
endpoints are declared; and requests without the access key."""

from __future__ import annotations

import contextlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from edge_lab.addons.metrics.identities import receiver_spec
from edge_lab.addons.metrics.names import OBJECTS, QUERY
from edge_lab.addons.metrics.place import Place
from edge_lab.addons.metrics.receiver import WEB, web_config
from edge_lab.addons.metrics.thanos import (
    BUCKET,
    Ports,
    credentials,
    endpoints_config,
    objects_command,
    objects_folder,
    query_command,
)
from edge_lab.addons.metrics.thanosendpoints import thanos_endpoints
from edge_lab.addons.tlsfiles import CA
from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.pki import Authority
from edge_lab.probes.endpoint import Endpoint
from edge_lab.topology import Topology
from tests.addons.metrics.thanossite import thanos_programs
from tests.addons.nativeidentity import admitted, judge_at, started, write_identity
from tests.probes.conftest import TargetAt, authority, mint, target_at

__all__ = ["authority", "mint", "target_at"]

pytestmark = pytest.mark.native(reason="runs Thanos and versitygw")

STRICT = "RequireAndVerifyClientCert"


def declared(topology: Topology, name: str) -> Endpoint:
    (found,) = (endpoint for endpoint in thanos_endpoints(topology) if endpoint.name == name)
    return found


@pytest.fixture
def place(tmp_path: Path, authority: Authority) -> Place:
    for name, path in thanos_programs().items():
        (tmp_path / name).symlink_to(path)
    write_identity(tmp_path, authority, receiver_spec("127.0.0.1"))
    here = str(tmp_path)
    return Place("server", "127.0.0.1:1", "trixie", bin=here, files=here, state=here)


@contextlib.contextmanager
def objects(place: Place) -> Iterator[int]:
    """The port of the S3 server."""
    (port,) = choose_ports(1)
    (Path(objects_folder(place)) / BUCKET).mkdir(parents=True)
    settings = credentials(40 * "s").split()
    command = ("/usr/bin/env", *settings, *objects_command(place, Ports(f"127.0.0.1:{port}")))
    with serving(command, place, f"https://127.0.0.1:{port}/healthz"):
        yield port


@contextlib.contextmanager
def querier(place: Place, *, asks: str = STRICT) -> Iterator[int]:
    """The port of the querier."""
    port, grpc = choose_ports(2)
    Path(place.config("endpoints")).write_text(endpoints_config(place, ()))
    Path(place.config(WEB)).write_text(web_config(place).replace(STRICT, asks))
    ports = Ports(query=f"127.0.0.1:{port}", query_grpc=f"127.0.0.1:{grpc}")
    with started(query_command(place, ports), Path(place.files) / "log", "listening for serving"):
        yield port


@contextlib.contextmanager
def serving(command: Sequence[str], place: Place, url: str) -> Iterator[None]:
    with started(command, Path(place.files) / "log", ""):
        Deadline.after(60).wait_for(url, lambda: status_of(url, place) == 200)
        yield


def status_of(url: str, place: Place) -> int | None:
    context = ssl.create_default_context(cafile=f"{place.files}/{CA}")
    try:
        with urllib.request.urlopen(url, context=context, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code
    except OSError:
        return None


def test_the_s3_server_is_as_declared(
    topology: Topology, place: Place, target_at: TargetAt
) -> None:
    with objects(place) as port:
        verdict = judge_at(port, declared(topology, OBJECTS), target_at)
    assert verdict.passed, str(verdict)


def test_nobody_reads_a_block_without_the_access_key(place: Place) -> None:
    with objects(place) as port:
        block = Path(objects_folder(place)) / BUCKET / "block"
        block.write_text("samples")
        base = f"https://127.0.0.1:{port}"
        for path in ("/", f"/{BUCKET}", f"/{BUCKET}/block"):
            assert status_of(base + path, place) == 403, path
        assert status_of(f"{base}/healthz", place) == 200


def test_the_querier_is_as_declared(topology: Topology, place: Place, target_at: TargetAt) -> None:
    with querier(place) as port:
        verdict = judge_at(port, declared(topology, QUERY), target_at)
    assert verdict.passed, str(verdict)


def test_a_querier_that_verifies_nobody_is_red(
    topology: Topology, place: Place, target_at: TargetAt
) -> None:
    with querier(place, asks="RequestClientCert") as port:
        verdict = judge_at(port, declared(topology, QUERY), target_at)
    assert {"none", "foreign-ca", "expired"} <= admitted(verdict)
