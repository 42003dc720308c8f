"""sslyze against servers with known settings: what it says, and that planted defects are seen."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError, MissingCapability
from edge_lab.pki import Authority, CertificateSpec, Identity, Usage
from edge_lab.probes.dial import SocketDial
from edge_lab.probes.differences import Code, differences, unexplained
from edge_lab.probes.endpoint import Endpoint, Speaks
from edge_lab.probes.expected import ANYONE_BY_TLS, MUTUAL_TLS, VERIFIED_BY_HTTP
from edge_lab.probes.forward import forwarded
from edge_lab.probes.sha1 import issue_over_sha1
from edge_lab.probes.sslyze import ClientCertificate, Scan, installed, scan

CHECKOUT = Path(__file__).parent.parent.parent
SERVER = CertificateSpec("server", dns_names=("server",), usages=(Usage.SERVER,))
ENDPOINT = Endpoint("it", "host", 1, Speaks.TLS, "", "", MUTUAL_TLS)
LIMIT = 180.0

pytestmark = pytest.mark.slow(reason="a scanner of others against servers: make peers")


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        return installed(CHECKOUT)
    except MissingCapability as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("edge-lab cluster CA")


@contextlib.contextmanager
def tls_server(
    folder: Path,
    authority: Authority,
    shown: Identity,
    *,
    verify: ssl.VerifyMode = ssl.CERT_REQUIRED,
    least: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
) -> Iterator[int]:
    """The port of a server that takes many connections at a time."""
    (folder / "server.pem").write_bytes(shown.combined_pem)
    (folder / "ca.pem").write_bytes(authority.certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(folder / "server.pem")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = verify
    context.minimum_version = least

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.settimeout(3)
                with context.wrap_socket(self.request, server_side=True) as peer:
                    peer.recv(65536)

    class Server(socketserver.ThreadingTCPServer):
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def strict(
    program: Path, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Identity, Scan]:
    """A server as it should be, reached as one in a lab is: by a forwarded port."""
    shown = authority.issue(SERVER)
    limit = Deadline.scaled(LIMIT)
    with (
        tls_server(tmp_path_factory.mktemp("strict"), authority, shown) as port,
        forwarded(SocketDial(), "127.0.0.1", port, limit) as near,
    ):
        return shown, scan(program, near, limit)


def test_a_server_as_declared_differs_in_nothing(strict: tuple[Identity, Scan]) -> None:
    shown, found = strict
    assert differences(ENDPOINT, found) == ()
    assert found.versions == {"TLSv1.2", "TLSv1.3"}
    assert found.client_certificate is ClientCertificate.REQUIRED
    assert found.certificate.subject == "CN=server"
    assert found.certificate.names == ("server",)
    assert found.certificate.starts == shown.certificate.not_valid_before_utc
    assert found.certificate.ends == shown.certificate.not_valid_after_utc
    assert found.certificate.key == "ECPublicKey 256"
    assert found.certificate.hash == "sha256"
    assert found.certificate.serial == str(shown.certificate.serial_number)


@pytest.mark.parametrize("policy", [VERIFIED_BY_HTTP, ANYONE_BY_TLS])
def test_the_same_scan_is_judged_by_what_is_declared(
    strict: tuple[Identity, Scan], policy: object
) -> None:
    _, found = strict
    endpoint = replace(ENDPOINT, policy=policy)  # type: ignore[arg-type]
    codes = [difference.code for difference in differences(endpoint, found)]
    assert codes == ([Code.CLIENT_CERTIFICATE] if policy is VERIFIED_BY_HTTP else [])


def test_planted_defects_are_seen(program: Path, authority: Authority, tmp_path: Path) -> None:
    over = datetime.now(UTC) - timedelta(days=3)
    bad = issue_over_sha1(authority, replace(SERVER, starts=over, lifetime=timedelta(days=1)))
    with tls_server(
        tmp_path, authority, bad, verify=ssl.CERT_NONE, least=ssl.TLSVersion.TLSv1_1
    ) as port:
        found = scan(program, port, Deadline.scaled(LIMIT))
    assert "TLSv1.1" in found.versions
    assert found.client_certificate is ClientCertificate.NOT_ASKED
    seen = differences(ENDPOINT, found)
    assert {problem.code for problem in seen} == {
        Code.VERSION,
        Code.CLIENT_CERTIFICATE,
        Code.HASH,
        Code.DATES,
    }
    reasons: dict[tuple[str, Code], str] = {
        ("it", problem.code): "known" for problem in seen if problem.code is not Code.DATES
    }
    left = unexplained(differences(ENDPOINT, found, explained=reasons))
    assert [problem.code for problem in left] == [Code.DATES]


def test_a_port_without_a_server_is_no_scan(program: Path) -> None:
    limit = Deadline.scaled(LIMIT)
    nobody = 1
    with (
        forwarded(SocketDial(), "127.0.0.1", nobody, limit) as near,
        pytest.raises(LabError, match="no TLS connection"),
    ):
        scan(program, near, limit)
