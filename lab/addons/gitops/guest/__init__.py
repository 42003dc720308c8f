"""Programs for nodes, of Python's standard library alone: they are copied there as they are."""

from __future__ import annotations

from pathlib import Path


def guest_program(name: str) -> str:
    """The text of one of them."""
    return (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
