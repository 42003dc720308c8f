"""The verdict of every oracle: passed or not and why, the measures, and the evidence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from edge_lab.measuring.measures import Measure
from edge_lab.measuring.spread import spread

NO_EVIDENCE = "no evidence"
"""The beginning of a problem by which nothing was shown, neither that the product works nor that it
fails."""


class Judged(ABC):
    """Base of what an oracle says: it passes if there are no problems."""

    separator: ClassVar[str] = "; "
    """Between the parts of the text."""

    problems: tuple[str, ...]
    """Why it has not passed."""

    @property
    def passed(self) -> bool:
        return not self.problems

    @property
    def shows_nothing(self) -> bool:
        """Whether it has not passed for lack of evidence alone."""
        return bool(self.problems) and all(
            problem.startswith(NO_EVIDENCE) for problem in self.problems
        )

    @property
    @abstractmethod
    def head(self) -> str:
        """What was found, without the problems."""

    def __str__(self) -> str:
        return self.separator.join((self.head, *self.problems))


@dataclass(frozen=True)
class Verdict(Judged):
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
    def head(self) -> str:
        row = "; ".join(f"{line.heading} {line.text}" for line in spread(self.measures))
        head = f"{self.node} with {self.runtime} {'passed' if self.passed else 'failed'}"
        return f"{head}: {row}" if row else head

    def __str__(self) -> str:
        problems = (f"! {problem}" for problem in self.problems)
        return "\n  ".join((self.head, *problems, *self.evidence))
