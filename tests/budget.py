"""How many examples hypothesis tries of each property: all in CI, a fifth before a commit.

`pytest --hypothesis-profile=quick` chooses the fifth; without it, all are tried.
"""

from __future__ import annotations

from hypothesis import settings

FULL, QUICK = "full", "quick"
_ALL, _FEW = 100, 20


def register_profiles() -> None:
    """Makes both known and chooses the full one; the option of hypothesis overrides that.

    How long one example takes is the machine's affair, and it may be busy: none has a deadline.
    """
    settings.register_profile(FULL, max_examples=_ALL, deadline=None)
    settings.register_profile(QUICK, max_examples=_FEW, deadline=None)
    settings.load_profile(FULL)


def examples(full: int) -> int:
    """What is tried of a property that has `full` examples in CI, at least five."""
    return min(full, max(5, full * settings().max_examples // _ALL))
