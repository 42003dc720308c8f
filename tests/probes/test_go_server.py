"""Go's TLS, of which every endpoint of a cluster is made, and its ways of asking who comes."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.oracles.identity import Finding, judge_identity
from edge_lab.pki import Authority, CertificateSpec, Usage
from edge_lab.probes.expected import MUTUAL_TLS
from tests.probes.conftest import TargetAt

GO = shutil.which("go")
CACHE = os.environ.get("GOCACHE", str(Path.home() / ".cache" / "go-build"))
"""At import, for tests have a cache of their own."""

pytestmark = [
    pytest.mark.slow(reason="compiles a Go server"),
    pytest.mark.skipif(GO is None, reason="there is no Go on this host"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("go") / "goserver"
    subprocess.run(
        [str(GO), "build", "-o", str(built), "."],
        cwd=Path(__file__).parent / "goserver",
        env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOCACHE": CACHE},
        check=True,
    )
    return built


@contextlib.contextmanager
def go_server(
    program: Path, folder: Path, authority: Authority, auth: str, most: str
) -> Iterator[int]:
    shown = authority.issue(CertificateSpec("server", usages=(Usage.SERVER,)))
    (folder / "server.pem").write_bytes(shown.combined_pem)
    (folder / "ca.pem").write_bytes(authority.certificate_pem)
    process = subprocess.Popen(
        [
            str(program),
            f"-certificate={folder / 'server.pem'}",
            f"-authority={folder / 'ca.pem'}",
            f"-auth={auth}",
            f"-most={most}",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.stdin.close()


@pytest.mark.parametrize("most", ["1.2", "1.3"])
def test_mutual_tls_turns_each_away_for_its_reason(
    program: Path, tmp_path: Path, authority: Authority, target_at: TargetAt, most: str
) -> None:
    with go_server(program, tmp_path, authority, "require", most) as port:
        target = target_at(port, MUTUAL_TLS)
        verdict = judge_identity(
            "host", "go", list(target.try_all()), {target.endpoint.id: target.endpoint}
        )
    assert verdict.passed, str(verdict)
    assert {judgement.record.tls for judgement in verdict.judged} == {f"TLSv{most}", ""}


@pytest.mark.parametrize(
    ("auth", "let_in"),
    [
        ("request", {"none", "foreign-ca", "expired", "server-certificate", "bad-token"}),
        ("any", {"foreign-ca", "expired", "server-certificate"}),
        ("none", {"none", "foreign-ca", "expired", "server-certificate", "bad-token"}),
    ],
)
def test_a_server_that_verifies_nobody_is_red(
    program: Path,
    tmp_path: Path,
    authority: Authority,
    target_at: TargetAt,
    auth: str,
    let_in: set[str],
) -> None:
    with go_server(program, tmp_path, authority, auth, "1.3") as port:
        target = target_at(port, MUTUAL_TLS)
        verdict = judge_identity(
            "host", "go", list(target.try_all()), {target.endpoint.id: target.endpoint}
        )
    found = {
        judgement.record.probe
        for judgement in verdict.judged
        if judgement.finding is Finding.LET_IN
    }
    assert let_in <= found
