"""Recorded steps as real threads leave them, made up by hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from edge_lab.core.steprecord import Outcome, RecordedStep

MAIN = 7


def recorded(
    number: int,
    parent: int | None,
    begin: int,
    end: int,
    thread: int = MAIN,
    outcome: Outcome = Outcome.ENDED,
) -> RecordedStep:
    """Times in ms."""
    times = (begin * 1_000_000, end * 1_000_000)
    return RecordedStep(number, parent, f"step {number}", thread, *times, outcome)


@st.composite
def any_steps(draw: st.DrawFn) -> tuple[RecordedStep, ...]:
    """Whatever: any parent that is there or not, any times, any thread; ids in order of begin."""
    begins = sorted(draw(st.lists(st.integers(0, 40), min_size=1, max_size=12)))
    lengths = st.integers(0, 40)
    return tuple(
        recorded(
            number,
            draw(st.none() | st.integers(1, number)) if number > 1 else None,
            begin,
            begin + draw(lengths),
            draw(st.integers(1, 4)),
            draw(st.sampled_from(Outcome)),
        )
        for number, begin in enumerate(begins, 1)
    )
