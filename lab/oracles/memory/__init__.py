"""Verdicts on memory: pods and processes that were killed or evicted, and leaks."""

from edge_lab.oracles.memory.casualties import Casualty, Cause
from edge_lab.oracles.memory.judge import MemoryExpectation, MemoryVerdict, judge_memory

__all__ = ["Casualty", "Cause", "MemoryExpectation", "MemoryVerdict", "judge_memory"]
