"""One attempt at one endpoint, and its record.

The order follows from TLS 1.3: handshake, then read without writing, then the request. There, a
client's certificate is verified after the client's handshake is complete; if the client writes
before the alert arrives, the peer's TCP resets the connection, and the alert is lost.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from OpenSSL import SSL

from edge_lab.core.deadline import Deadline
from edge_lab.probes.answer import is_whole, parsed
from edge_lab.probes.attempt import Attempt, Resumable
from edge_lab.probes.dial import ByteStream, Dial, NotConnectedError, SilentError
from edge_lab.probes.record import Ended, HttpAnswer, ProbeRecord, Step
from edge_lab.probes.request import Request
from edge_lab.probes.tls import (
    CannotOfferError,
    NotTlsError,
    PeerAlertError,
    PeerClosedError,
    TlsClient,
)

LEAST_READ, MOST_READ = 0.5, 10.0
"""Seconds to wait for a peer to refuse a certificate, if it sends no ticket."""
READ_HANDSHAKES = 3
"""The wait as a multiple of the handshake, which takes two or three round trips."""


@dataclass
class _Course:
    """The step that it has reached."""

    step: Step = Step.CONNECT
    ended: Ended = Ended.SILENT
    detail: str = ""
    http: HttpAnswer | None = None
    client: TlsClient | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Tried:
    record: ProbeRecord
    session: Resumable | None = field(default=None, repr=False)
    """For a probe that steals it."""


def attempt(what: Attempt, dial: Dial, deadline: Deadline) -> Tried:
    """Makes the attempt. It never raises for what the peer does: that is recorded."""
    began, clock = time.time_ns(), time.monotonic()
    course = _Course()
    try:
        with dial.connect(what.address, what.port, deadline) as stream:
            if what.plain:
                _plain(what, stream, course, deadline)
            else:
                _tls(what, stream, course, deadline)
    except NotConnectedError as trouble:
        course.step, course.ended, course.detail = Step.CONNECT, Ended.NOT_CONNECTED, str(trouble)
    except SilentError:
        course.ended = Ended.SILENT
    except PeerAlertError as trouble:
        course.ended, course.detail = Ended.ALERT, str(trouble)
    except PeerClosedError as trouble:
        course.ended, course.detail = Ended.CLOSED, str(trouble)
    except NotTlsError as trouble:
        course.ended, course.detail = Ended.NOT_TLS, str(trouble)
    except (CannotOfferError, SSL.Error) as trouble:
        course.ended, course.detail = Ended.LOCAL, str(trouble)
    except OSError as trouble:
        course.ended, course.detail = Ended.CLOSED, str(trouble)
    seconds = time.monotonic() - clock
    left = course.client.resumable if course.client is not None else None
    return Tried(_record(what, dial.client, course, began, seconds), left)


def _tls(what: Attempt, stream: ByteStream, course: _Course, deadline: Deadline) -> None:
    client = TlsClient(what, stream)
    course.client = client
    course.step = Step.HANDSHAKE
    began = time.monotonic()
    client.handshake(deadline)
    took = time.monotonic() - began
    first = b""
    if client.version == "TLSv1.3" or what.request is None:
        course.step = Step.READ
        patience = min(MOST_READ, max(LEAST_READ, READ_HANDSHAKES * took))
        # Silence means acceptance, or a slow peer: then the response decides.
        with contextlib.suppress(SilentError):
            first = client.read_until_told(Deadline.after(min(patience, deadline.remaining)))
    if what.request is None:
        course.ended = Ended.ACCEPTED
        return
    course.step = Step.ANSWER
    client.write(what.request.encoded(_host(what), _agent(what), what.bearer))
    _answer(what.request, course, deadline, client.read, first)


def _plain(what: Attempt, stream: ByteStream, course: _Course, deadline: Deadline) -> None:
    course.step = Step.ANSWER
    request = what.request or Request()
    stream.send(request.encoded(_host(what), _agent(what), what.bearer))
    _answer(request, course, deadline, stream.receive, b"")


def _answer(
    request: Request,
    course: _Course,
    deadline: Deadline,
    read: Callable[[Deadline], bytes],
    data: bytes,
) -> None:
    while not is_whole(data):
        try:
            more = read(deadline)
        except (SilentError, PeerClosedError):
            if parsed(data, request.method) is None:
                raise
            break
        if not more:
            break
        data += more
    course.http = parsed(data, request.method, confidential=request.confidential)
    course.ended = Ended.ANSWERED if course.http is not None else Ended.CLOSED
    if course.http is None and data:
        course.detail = f"no HTTP: {data[:40]!r}"


def _host(what: Attempt) -> str:
    return f"{what.address}:{what.port}"


def _agent(what: Attempt) -> str:
    return f"edge-lab-probe/{what.probe}"


def _record(what: Attempt, client: str, course: _Course, began: int, seconds: float) -> ProbeRecord:
    tls = course.client
    done = tls is not None and tls.done
    return ProbeRecord(
        endpoint=what.endpoint,
        probe=what.probe,
        client=client,
        address=what.address,
        port=what.port,
        step=course.step,
        ended=course.ended,
        tls=tls.version if tls is not None else "",
        cipher=tls.cipher if tls is not None and done else "",
        alpn=tls.alpn if tls is not None and done else "",
        alert=tls.alert if tls is not None else None,
        http=course.http,
        server=tls.server if tls is not None and done else None,
        serial=str(what.identity.certificate.serial_number) if what.identity else "",
        ticket=tls.ticket if tls is not None else False,
        resumed=tls.resumed if tls is not None else False,
        detail=course.detail[:300],
        seconds=round(seconds, 4),
        time=began,
    )
