"""Who was killed or evicted for want of memory, by whom, and whether that was right."""

from edge_lab.oracles.memory.casualties import Casualty, Cause
from edge_lab.oracles.memory.judge import MemoryExpectation, MemoryVerdict, judge_memory

__all__ = ["Casualty", "Cause", "MemoryExpectation", "MemoryVerdict", "judge_memory"]
