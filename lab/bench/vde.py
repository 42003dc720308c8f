"""VDE as the other contender: vde_switch, and wirefilter without the two switches it would need."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge_lab.bench.frames import RECEIVER, ROOM, SENDER, ethernet_frame
from edge_lab.bench.media import DELAY_MS, LOSS, Ends, widen
from edge_lab.bench.processes import running
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError


@contextlib.contextmanager
def vde_switch() -> Iterator[Ends]:
    """Debian's vde_switch with three plugs; the third is silent."""
    with contextlib.ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="vde-")))
        where = folder / "switch"
        argv = ["vde_switch", "-s", str(where), "-M", str(folder / "mgmt")]
        undo.enter_context(running(argv, stdin=subprocess.PIPE))
        _appears(where / "ctl")
        ends = [undo.enter_context(_vde_plug(where)) for _ in range(3)]
        ends[1].send(ethernet_frame(64, RECEIVER, SENDER))
        ends[0].recv(ROOM)
        yield Ends(ends[0].fileno(), ends[1].fileno())


@contextlib.contextmanager
def _vde_plug(switch: Path) -> Iterator[socket.socket]:
    library = ctypes.CDLL("libvdeplug.so.2")
    library.vde_open_real.restype = ctypes.c_void_p
    library.vde_datafd.argtypes = library.vde_close.argtypes = (ctypes.c_void_p,)
    plug = library.vde_open_real(str(switch).encode(), b"benchmark", 1, None)
    if not plug:
        raise LabError(f"libvdeplug cannot open {switch}")
    try:
        with socket.socket(fileno=os.dup(library.vde_datafd(plug))) as end:
            widen(end)
            yield end
    finally:
        library.vde_close(plug)


class _VdeEnd:
    """The switch's side of VDE's plug protocol, for one plug.

    The plug sends a request (magic, version, kind, address of its data socket, words), and gets
    the address of ours; frames then go between the two data sockets.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        folder.mkdir()
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._door.bind(str(folder / "ctl"))
        self._door.listen(1)
        self.data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.data.bind(str(folder / "data"))
        widen(self.data)

    def answer(self) -> None:
        self._door.settimeout(Deadline.scaled(10).remaining)
        self._control, _ = self._door.accept()
        request = self._control.recv(1024)
        magic, version, _kind = struct.unpack_from("<III", request)
        if magic != 0xFEEDFACE or version != 3:
            raise LabError("wirefilter speaks another version of the plug protocol")
        # Before the response, after which the plug removes the name of its socket.
        self.data.connect(request[14:122].partition(b"\0")[0])
        ours = os.fsencode(self.path / "data")
        self._control.send(struct.pack("<H108s", socket.AF_UNIX, ours))

    def close(self) -> None:
        for end in (self._door, self.data, self._control):
            end.close()


@contextlib.contextmanager
def wirefilter() -> Iterator[Ends]:
    """wirefilter with the delay and the loss, and nothing else between the two ends."""
    with contextlib.ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="vde-")))
        ends = [_VdeEnd(folder / name) for name in ("a", "b")]
        argv = ["wirefilter", "-v", f"{ends[0].path}:{ends[1].path}"]
        argv += ["-d", f"{DELAY_MS:g}", "-l", f"{LOSS * 100:g}"]
        undo.enter_context(running(argv, stdin=subprocess.PIPE))
        for end in ends:
            end.answer()
            undo.callback(end.close)
        yield Ends(ends[0].data.fileno(), ends[1].data.fileno())


def _appears(path: Path) -> None:
    Deadline.scaled(10).wait_for(f"{path} appears", path.exists, every=0.02)
