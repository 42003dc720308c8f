"""Run in a peer's namespace: libmodbus asks a device for all that it can, prints it as JSON.

    python libmodbus_peer.py tcp|rtu HOST

RTU it speaks on a serial line, so it is given one that ends in a TCP connection.  What it was
refused is `{"refused": CODE}`, and `{"failed": ERRNO}` is all else that went wrong.
"""

from __future__ import annotations

import ctypes
import errno
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.peers.in_namespace import serial_line

LIBRARY = "libmodbus.so.5"
PORT = 502
FIRST_CODE = 112_345_678
"""MODBUS_ENOBASE: its error numbers are this and the exception's code."""
LONGEST = 260
HEADER = {"tcp": 7, "rtu": 1}
"""Bytes of an answer before its function."""


class Client:
    """A connection of libmodbus."""

    def __init__(self, kind: str, where: str) -> None:
        self._lib = ctypes.CDLL(LIBRARY, use_errno=True)
        for name in ("modbus_new_tcp", "modbus_new_rtu"):
            getattr(self._lib, name).restype = ctypes.c_void_p
        if kind == "tcp":
            made = self._lib.modbus_new_tcp(where.encode(), PORT)
        else:
            made = self._lib.modbus_new_rtu(where.encode(), 115_200, ctypes.c_char(b"N"), 8, 1)
        self._context = ctypes.c_void_p(made)
        self._header = HEADER[kind]
        self._call("set_response_timeout", 5, 0)

    def _call(self, name: str, *arguments: object) -> int:
        ctypes.set_errno(0)
        returned = int(getattr(self._lib, f"modbus_{name}")(self._context, *arguments))
        if returned < 0:
            number = ctypes.get_errno()
            raise OSError(number, "refused" if number > FIRST_CODE else errno.errorcode.get(number))
        return returned

    def connect(self) -> None:
        self._call("connect")

    def recover(self) -> None:
        """Drops what is left of answers that were no use."""
        self._call("flush")

    def close(self) -> None:
        self._lib.modbus_close(self._context)
        self._lib.modbus_free(self._context)

    def unit(self, number: int) -> None:
        self._call("set_slave", number)

    def read(self, what: str, start: int, count: int) -> Any:
        kind = ctypes.c_uint8 if what.endswith("bits") else ctypes.c_uint16
        into = (kind * 2000)()
        return self._outcome(f"read_{what}", start, count, into, gives=into)

    def write(self, what: str, start: int, *values: int) -> Any:
        if what in ("bit", "register"):
            return self._outcome(f"write_{what}", start, *values)
        kind = ctypes.c_uint8 if what == "bits" else ctypes.c_uint16
        return self._outcome(f"write_{what}", start, len(values), (kind * len(values))(*values))

    def mask(self, address: int, keep: int, change: int) -> Any:
        return self._outcome(
            "mask_write_register", address, ctypes.c_uint16(keep), ctypes.c_uint16(change)
        )

    def write_and_read(self, into: int, value: int, start: int, count: int) -> Any:
        values, found = (ctypes.c_uint16 * 1)(value), (ctypes.c_uint16 * 125)()
        return self._outcome(
            "write_and_read_registers", into, 1, values, start, count, found, gives=found
        )

    def server_id(self) -> Any:
        into = (ctypes.c_uint8 * LONGEST)()
        return self._outcome("report_slave_id", LONGEST, into, gives=into)

    def _outcome(self, name: str, *arguments: object, gives: Any = None) -> Any:
        try:
            count = self._call(name, *arguments)
        except OSError as trouble:
            number = trouble.errno or 0
            if number > FIRST_CODE:
                return {"refused": number - FIRST_CODE}
            return {"failed": trouble.strerror}
        return count if gives is None else list(gives[:count])

    def say(self, unit: int, data: bytes) -> None:
        """Sends function and data as they are."""
        raw = bytes((unit,)) + data
        self._call("send_raw_request", ctypes.create_string_buffer(raw, len(raw)), len(raw))

    def hear(self) -> list[int]:
        """Function and data of the next answer."""
        into = ctypes.create_string_buffer(LONGEST)
        size = self._call("receive_confirmation", into)
        answer = into.raw[:size]
        return list(answer[1:-2] if self._header == HEADER["rtu"] else answer[self._header :])

    def ask(self, data: bytes) -> list[int]:
        self.say(1, data)
        return self.hear()


def look(client: Client) -> dict[str, Any]:
    """What there is to be read and written, each in its way."""
    return {
        "registers": client.read("registers", 0, 10),
        "input registers": client.read("input_registers", 0, 10),
        "bits": [client.write("bits", 2, 1, 0, 1, 1), client.read("bits", 0, 16)],
        "bit": [client.write("bit", 3, 1), client.read("bits", 3, 1)],
        "input bits": client.read("input_bits", 0, 16),
        "register": [client.write("register", 100, 640), client.read("registers", 100, 1)],
        "written registers": [
            client.write("registers", 100, 641),
            client.read("registers", 100, 1),
        ],
        "mask": [client.mask(100, 0xFFF0, 0x0005), client.read("registers", 100, 1)],
        "written and read": client.write_and_read(100, 655, 100, 1),
    }


def be_refused(client: Client) -> dict[str, Any]:
    """What must not be done, and what was done of it."""
    found: dict[str, Any] = {
        "beyond": client.read("registers", 0, 11),
        "coils beyond": client.read("bits", 10, 7),
        "setpoint as input": client.read("input_registers", 100, 1),
        "read-only": client.write("register", 2, 655),
        "partly read-only": client.write("registers", 99, 655, 655),
        "out of bounds": client.write("register", 100, 1),
        "mask of what is read-only": client.mask(2, 0, 0),
        "read elsewhere": client.write_and_read(100, 650, 300, 1),
        "server id": client.server_id(),
    }
    for data in ("05000312 34", "1407060004000100 02", "15090600040007000106af"):
        found[data[:2]] = client.ask(bytes.fromhex(data))
    for data in ("180000", "0800040000", "0800630000", "07", "0b", "0c", "2b0d00"):
        found[data] = client.ask(bytes.fromhex(data))
    found["afterwards"] = [client.read("registers", 100, 1), client.read("bits", 3, 1)]
    return found


def ask_at_once(client: Client, number: int) -> list[int]:
    """Asks for 1, 2, … registers without waiting for an answer; bytes in each answer then."""
    for place in range(number):
        client.say(1, bytes((3, 0, 0, 0, 1 + place % 10)))
    return [client.hear()[1] for _ in range(number)]


def ask_units(kind: str, where: str) -> dict[str, Any]:
    """What each unit answers; each in a connection of its own."""
    found: dict[str, Any] = {}
    with connected(kind, where) as client:
        found["default"] = client.read("registers", 100, 1)
    for unit in (0, 1, 255, 2, 7, 247):
        with connected(kind, where) as client:
            client.unit(unit)
            found[str(unit)] = [
                client.read("registers", 100, 1),
                client.write("bit", 1, 1),
                client.mask(100, 0xFFFF, 0),
            ]
    return found


@contextmanager
def connected(kind: str, where: str) -> Iterator[Client]:
    client = Client(kind, where)
    try:
        if kind == "rtu":
            client.unit(1)
        client.connect()
        yield client
    finally:
        client.close()


def work(kind: str, where: str) -> dict[str, Any]:
    with connected(kind, where) as client:
        client.unit(1)
        found = {
            "seen": look(client),
            "refused": be_refused(client),
            "at once": {str(number): ask_at_once(client, number) for number in (2, 16, 40)},
        }
    if kind == "tcp":
        found["units"] = ask_units(kind, where)
    return found


def main(kind: str, host: str) -> dict[str, Any]:
    if kind == "tcp":
        return work(kind, host)
    with serial_line(host, PORT) as line:
        return work(kind, line)


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
