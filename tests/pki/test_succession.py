"""The authority is replaced in three steps: who is let in at each, by handshakes of real TLS."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from edge_lab.pki import Authority, CertificateSpec, Identity, Stage, Succession, Usage

HOST = "peer"
STEPS = [(Stage(stage), Stage(stage + 1)) for stage in range(len(Stage) - 1)]
PEER = CertificateSpec(HOST, dns_names=(HOST,), usages=(Usage.CLIENT, Usage.SERVER))


@pytest.fixture(scope="module", params=["same-name", "other-name"])
def succession(request: pytest.FixtureRequest) -> Succession:
    old = Authority.create("cluster CA")
    same = request.param == "same-name"
    return Succession(old, old.impostor() if same else Authority.create("cluster CA 2"))


def context(trusts: tuple[bytes, ...], shows: Identity, side: int, folder: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(side)
    made.verify_mode = ssl.CERT_REQUIRED
    # Under 1.3 a client would be refused after its own handshake is through.
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    made.load_verify_locations(cadata=b"".join(trusts).decode())
    file = folder / "shown.pem"
    file.write_bytes(shows.combined_pem)
    made.load_cert_chain(file)
    return made


def meet(succession: Succession, client: Stage, server: Stage, folder: Path) -> None:
    """A handshake between peers at two stages; SSLError of who refuses the other."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    peers = [
        context(
            succession.trusted(stage), succession.signer(stage).issue(PEER), side, folder
        ).wrap_bio(*pipes, server_side=is_server, server_hostname=None if is_server else HOST)
        for stage, side, pipes, is_server in (
            (client, ssl.PROTOCOL_TLS_CLIENT, (to_client, to_server), False),
            (server, ssl.PROTOCOL_TLS_SERVER, (to_server, to_client), True),
        )
    ]
    waiting = list(peers)
    for _ in range(10):
        for peer in list(waiting):
            try:
                peer.do_handshake()
                waiting.remove(peer)
            except ssl.SSLWantReadError:
                continue
        if not waiting:
            return
    raise AssertionError("the handshake does not end")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1].name)
def test_while_nodes_go_from_one_stage_to_the_next_all_trust_each_other(
    succession: Succession, step: tuple[Stage, Stage], tmp_path: Path
) -> None:
    for client in step:
        for server in step:
            meet(succession, client, server, tmp_path)


@pytest.mark.parametrize("late", [Stage.BEFORE, Stage.BOTH_TRUSTED])
def test_the_old_one_removed_before_nodes_have_new_certificates_turns_them_away(
    succession: Succession, late: Stage, tmp_path: Path
) -> None:
    """A step is left out: the planted defect."""
    for pair in ((late, Stage.OLD_REMOVED), (Stage.OLD_REMOVED, late)):
        with pytest.raises(ssl.SSLError):
            meet(succession, *pair, tmp_path)


def test_a_new_certificate_where_only_the_old_one_is_trusted_is_refused(
    succession: Succession, tmp_path: Path
) -> None:
    with pytest.raises(ssl.SSLError):
        meet(succession, Stage.NEW_SHOWN, Stage.BEFORE, tmp_path)
