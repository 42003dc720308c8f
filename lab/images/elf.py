"""What an ELF program needs to be started: its interpreter, and its libraries by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from edge_lab.core.errors import LabError


@dataclass(frozen=True)
class Needs:
    """All empty for a program that is linked statically."""

    interpreter: str
    """Path of the loader, as the program has it."""
    libraries: tuple[str, ...]


def elf_needs(content: bytes) -> Needs:
    """What the program or library with that content needs.

    Raises:
        LabError: it is no ELF file, or a damaged one.
    """
    try:
        return _needs(ELFFile(BytesIO(content)))
    except (ELFError, ValueError, OverflowError) as trouble:
        raise LabError(f"no ELF file, or a damaged one: {trouble}") from trouble


def _needs(file: ELFFile) -> Needs:
    interpreter, libraries = "", []
    for segment in file.iter_segments():
        if isinstance(segment, InterpSegment):
            interpreter = segment.get_interp_name()
        elif isinstance(segment, DynamicSegment):
            # `needed` is set per kind of tag, which its type does not say.
            tags: Iterable[Any] = segment.iter_tags("DT_NEEDED")
            libraries += [tag.needed for tag in tags]
    return Needs(interpreter, tuple(libraries))
