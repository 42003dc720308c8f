"""Text of nginx's configuration, from blocks and directives."""

from __future__ import annotations

from dataclasses import dataclass

INDENT = "    "


@dataclass(frozen=True)
class Block:
    """`head { … }` with directives, which are given without semicolons, and blocks."""

    head: str
    parts: tuple[str | Block, ...]

    def lines(self) -> list[str]:
        return [f"{self.head} {{", *(INDENT + line for line in nginx_lines(self.parts)), "}"]


def block(head: str, *parts: str | Block) -> Block:
    return Block(head, parts)


def nginx_lines(parts: tuple[str | Block, ...]) -> list[str]:
    found: list[str] = []
    for part in parts:
        found += part.lines() if isinstance(part, Block) else [f"{part};"]
    return found


def nginx_text(*parts: str | Block) -> str:
    """A whole configuration."""
    return "\n".join(nginx_lines(parts)) + "\n"
