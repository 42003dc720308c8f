"""Modbus TCP, which has no authentication: whoever can reach the port can read and write.

MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1. Modbus/TCP Security, over TLS, has its
own port (802) and is not served here.
"""

from __future__ import annotations

import struct
import time
from types import MappingProxyType

from edge_lab.core.deadline import Deadline
from edge_lab.probes.dial import Dial, NotConnectedError, SilentError
from edge_lab.probes.expected import Policy, let_in
from edge_lab.probes.record import Ended, ProbeRecord, Step

READ_INPUT_REGISTERS = 4
UNIT = 1
_HEADER = struct.Struct(">HHHB")
_ERROR = 0x80

MODBUS_DEVICE = Policy(
    "Modbus TCP: anyone",
    MappingProxyType(
        {
            "plaintext": let_in(
                note="the protocol has no identities; the only protection is a separate network"
            )
        }
    ),
)


def modbus_probe(
    endpoint: str, address: str, port: int, dial: Dial, deadline: Deadline
) -> ProbeRecord:
    """Reads one register. An exception response counts as handled."""
    began, clock = time.time_ns(), time.monotonic()
    step, ended, detail = Step.CONNECT, Ended.CLOSED, ""
    request = struct.pack(">BHH", READ_INPUT_REGISTERS, 0, 1)
    try:
        with dial.connect(address, port, deadline) as stream:
            step = Step.ANSWER
            stream.send(_HEADER.pack(1, 0, len(request) + 1, UNIT) + request)
            answer = b""
            while len(answer) < _HEADER.size + 1 and (more := stream.receive(deadline)):
                answer += more
            if len(answer) > _HEADER.size:
                function = answer[_HEADER.size]
                known = function & ~_ERROR == READ_INPUT_REGISTERS
                ended, detail = (Ended.ACCEPTED if known else Ended.CLOSED), answer[:20].hex()
    except NotConnectedError as trouble:
        step, ended, detail = Step.CONNECT, Ended.NOT_CONNECTED, str(trouble)
    except SilentError:
        ended = Ended.SILENT
    except OSError as trouble:
        detail = str(trouble)
    return ProbeRecord(
        endpoint=endpoint,
        probe="plaintext",
        client=dial.client,
        address=address,
        port=port,
        step=step,
        ended=ended,
        detail=detail,
        seconds=round(time.monotonic() - clock, 4),
        time=began,
    )
