"""What an ELF program needs to start: its interpreter, and its libraries by name."""

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
    """Path of the loader, as in the program."""
    libraries: tuple[str, ...]


def elf_needs(content: bytes) -> Needs:
    """The needs of the program or library with that content.

    Raises:
        LabError: it is not an ELF file, or is damaged.
    """
    try:
        return _needs(ELFFile(BytesIO(content)))
    except (ELFError, ValueError, OverflowError) as trouble:
        raise LabError(f"not an ELF file, or damaged: {trouble}") from trouble


def _needs(file: ELFFile) -> Needs:
    interpreter, libraries = "", []
    for segment in file.iter_segments():
        if isinstance(segment, InterpSegment):
            interpreter = segment.get_interp_name()
        elif isinstance(segment, DynamicSegment):
            # `needed` exists only for some tags, which its type does not show.
            tags: Iterable[Any] = segment.iter_tags("DT_NEEDED")
            libraries += [tag.needed for tag in tags]
    return Needs(interpreter, tuple(libraries))
