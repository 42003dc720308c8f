"""The only program of a probe guest: it prints a marker and powers off.

The program is stored as machine code, so that a probe needs neither a compiler nor a binary of
that architecture on the host.
"""

from __future__ import annotations

import stat
import struct

from edge_lab.images.initramfs import CpioEntry, cpio_archive
from edge_lab.topology import Arch

MARKER = "edge-lab: user space reached"

_LOAD = 0x10000
"""Address where the program is loaded."""

_HEADERS = 64 + 56
"""Bytes of the ELF header and one program header; the code follows."""

_EM = {Arch.X86_64: 62, Arch.AARCH64: 183, Arch.RISCV64: 243}

_REBOOT = (0xFEE1DEAD, 672274793, 0x4321FEDC)
"""Two magic numbers and the command "power off" of reboot(2)."""


def _code(arch: Arch, length: int) -> bytes:
    """write(1, message, length); reboot(power off); for ever: pause. The message follows it."""
    magic1, magic2, power_off = _REBOOT
    if arch is Arch.X86_64:
        # The displacement of lea counts from the next instruction to the message.
        tail = (
            b"\xba"
            + struct.pack("<I", length)  # mov edx, length
            + b"\x0f\x05"  # syscall
            + b"\xb8\xa9\x00\x00\x00"  # mov eax, 169 (reboot)
            + b"\xbf"
            + struct.pack("<I", magic1)  # mov edi
            + b"\xbe"
            + struct.pack("<I", magic2)  # mov esi
            + b"\xba"
            + struct.pack("<I", power_off)  # mov edx
            + b"\x0f\x05"  # syscall
            + b"\xeb\xfe"  # jmp to itself
        )
        head = b"\xb8\x01\x00\x00\x00\xbf\x01\x00\x00\x00"  # mov eax, 1; mov edi, 1
        return head + b"\x48\x8d\x35" + struct.pack("<i", len(tail)) + tail
    if arch is Arch.AARCH64:
        words = [
            _movz(0, 1),
            0,  # adr x1, message: filled in below
            _movz(2, length),
            _movz(8, 64),  # write
            0xD4000001,  # svc 0
            *_move32(0, magic1),
            *_move32(1, magic2),
            *_move32(2, power_off),
            _movz(8, 142),  # reboot
            0xD4000001,
            0x14000000,  # b to itself
        ]
        offset = (len(words) - 1) * 4
        words[1] = 0x10000001 | ((offset & 3) << 29) | ((offset >> 2) << 5)
        return struct.pack(f"<{len(words)}I", *words)
    words = [
        _addi(10, 0, 1),
        0x00000597,  # auipc a1, 0
        0,  # addi a1, a1, message: filled in below
        _addi(12, 0, length),
        _addi(17, 0, 64),  # write
        0x00000073,  # ecall
        *_li32(10, magic1),
        *_li32(11, magic2),
        *_li32(12, power_off),
        _addi(17, 0, 142),  # reboot
        0x00000073,
        0x0000006F,  # j to itself
    ]
    words[2] = _addi(11, 11, (len(words) - 1) * 4)
    return struct.pack(f"<{len(words)}I", *words)


def _movz(register: int, value: int) -> int:
    return 0xD2800000 | (value << 5) | register


def _move32(register: int, value: int) -> tuple[int, int]:
    return _movz(register, value & 0xFFFF), 0xF2A00000 | ((value >> 16) << 5) | register


def _addi(to: int, source: int, value: int) -> int:
    return ((value & 0xFFF) << 20) | (source << 15) | (to << 7) | 0x13


def _li32(register: int, value: int) -> tuple[int, int]:
    """lui and addiw; the kernel checks only the low 32 bits of the magic numbers."""
    high = (value + 0x800) & 0xFFFFF000
    addiw = ((value & 0xFFF) << 20) | (register << 15) | (register << 7) | 0x1B
    return high | (register << 7) | 0x37, addiw


def probe_program(arch: Arch) -> bytes:
    """A static ELF executable."""
    message = f"\n{MARKER}\n".encode()
    code = _code(arch, len(message))
    size = _HEADERS + len(code) + len(message)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    # fmt: off
    header = ident + struct.pack(
        "<HHIQQQIHHHHHH", 2, _EM[arch], 1, _LOAD + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _LOAD, _LOAD, size, size, 0x1000)
    # fmt: on
    return header + segment + code + message


def probe_initrd(arch: Arch) -> bytes:
    """An initramfs with the program as /init and the console that it writes to."""
    return cpio_archive(
        [
            CpioEntry("dev", stat.S_IFDIR | 0o755),
            CpioEntry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1)),
            CpioEntry("init", stat.S_IFREG | 0o755, probe_program(arch)),
        ]
    )
