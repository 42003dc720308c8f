"""`ss -Hltnp`, parsed, and beside what is declared."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.probes.endpoint import Endpoint, Reach, Speaks
from edge_lab.probes.listeners import Listener, listeners_of, missing, undeclared

SEEN = """\
LISTEN 0      4096       127.0.0.1:10248      0.0.0.0:*    users:(("kubelet",pid=812,fd=21))
LISTEN 0      4096      10.77.0.11:10269      0.0.0.0:*    users:(("yurthub",pid=700,fd=9))
LISTEN 0      128          0.0.0.0:22         0.0.0.0:*    users:(("sshd",pid=300,fd=3))
LISTEN 0      4096   127.0.0.54%lo:53         0.0.0.0:*
LISTEN 0      4096               *:10250            *:*    users:(("kubelet",pid=812,fd=25))
LISTEN 0      4096           [::1]:631           [::]:*    users:(("x",pid=1,fd=1),("y",pid=2,fd=2))
LISTEN 0      128             [::]:22            [::]:*    users:(("sshd",pid=300,fd=4))
LISTEN 0      128   [::ffff:10.0.0.1]:80         *:*
"""


def declared(port: int, reach: Reach = Reach.WIRE) -> Endpoint:
    return Endpoint("it", "edge-arm", port, Speaks.OTHER, "", "", reach=reach)


def test_each_line_is_a_listener() -> None:
    seen = listeners_of(SEEN)
    assert len(seen) == 8
    assert seen[0] == Listener(10248, "127.0.0.1", "kubelet")
    assert seen[3] == Listener(53, "127.0.0.54")
    assert seen[4] == Listener(10250, "*", "kubelet")
    assert seen[7].address == "10.0.0.1"
    assert [listener.port for listener in seen if listener.is_loopback] == [10248, 53, 631]


def test_what_is_on_a_wire_and_not_declared_there_is_found() -> None:
    seen = listeners_of(SEEN)
    known = [declared(22), declared(10250), declared(10269, Reach.LOOPBACK)]
    found = undeclared(seen, known, unseen={"10.0.0.1"})
    assert [(listener.port, listener.program) for listener in found] == [(10269, "yurthub")]
    assert undeclared(seen, [*known, declared(10269)], unseen={"10.0.0.1"}) == ()
    assert {listener.port for listener in undeclared(seen, [])} == {22, 80, 10250, 10269}


def test_what_is_declared_and_does_not_listen_is_missing() -> None:
    seen = listeners_of(SEEN)
    assert missing(seen, [declared(22), declared(10255)]) == (declared(10255),)


@pytest.mark.parametrize("line", ["ESTAB 0 0 1.2.3.4:1 5.6.7.8:2", "LISTEN 0 0 somewhere:1 *:*"])
def test_another_line_is_an_error_of_the_lab(line: str) -> None:
    with pytest.raises(LabError):
        listeners_of(line)


@given(st.text(max_size=100))
def test_any_text_is_listeners_or_an_error(text: str) -> None:
    for line in (text, f"LISTEN 0 1 {text}", f"LISTEN 0 1 127.0.0.1:1 *:* users:{text}"):
        with contextlib.suppress(LabError):
            listeners_of(line)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_any_address_is_read(address: object, port: int) -> None:
    shown = f"[{address}]" if ":" in str(address) else str(address)
    (seen,) = listeners_of(f"LISTEN 0 4096 {shown}:{port} *:*")
    assert seen.port == port
