"""Mistakes in files, and that each is answered with its line."""

from __future__ import annotations

from edge_lab.core.errors import InputError

Mistake = tuple[str, str, list[str], str]
"""What of a good text is replaced by what, what the answer says, and what stands in its line."""


def line_with(text: str, part: str) -> int:
    """The number of the first line of `text` that holds `part`."""
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


def with_mistake(good: str, mistake: Mistake) -> str:
    """The good text with that mistake in it."""
    old, new, _, _ = mistake
    assert good.count(old) >= 1
    return good.replace(old, new, 1)


def assert_answered(trouble: InputError, mistake: Mistake, text: str, file: str) -> None:
    """The answer names file and line, and says what it should."""
    _, _, says, where = mistake
    for part in says:
        assert part in str(trouble)
    assert str(trouble).startswith(f"{file}:{line_with(text, where)}: "), str(trouble)
