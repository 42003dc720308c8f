"""The verdict of every oracle: passed or not and why, the measures, and the evidence."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.measuring.measures import Measure
from edge_lab.measuring.spread import spread


@dataclass(frozen=True)
class Verdict:
    """The verdict on one node in one run. Oracles may derive extended ones."""

    node: str
    runtime: str
    """The stack, as control+runtime."""
    problems: tuple[str, ...] = ()
    """Why it has not passed. Missing evidence is also a problem."""
    measures: tuple[Measure, ...] = ()
    evidence: tuple[str, ...] = ()
    """The evidence, one line each."""

    @property
    def passed(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        row = "; ".join(f"{line.heading} {line.text}" for line in spread(self.measures))
        head = f"{self.node} with {self.runtime} {'passed' if self.passed else 'failed'}"
        problems = (f"! {problem}" for problem in self.problems)
        return "\n  ".join((f"{head}: {row}" if row else head, *problems, *self.evidence))
