"""Whether a pod runs in a sandbox, and what it reached: verdicts on observations from inside and
outside the pod. Pure functions."""

from edge_lab.oracles.sandbox.attempts import AttemptsVerdict, JudgedAttempt, judge_attempts
from edge_lab.oracles.sandbox.judge import (
    SandboxClass,
    SandboxVerdict,
    judge_from_outside,
    judge_sandbox,
)
from edge_lab.oracles.sandbox.outside import NodeView, parse_node_view
from edge_lab.oracles.sandbox.records import (
    AttemptRun,
    PodFacts,
    parse_attempts,
    parse_facts,
)

__all__ = [
    "AttemptRun",
    "AttemptsVerdict",
    "JudgedAttempt",
    "NodeView",
    "PodFacts",
    "SandboxClass",
    "SandboxVerdict",
    "judge_attempts",
    "judge_from_outside",
    "judge_sandbox",
    "parse_attempts",
    "parse_facts",
    "parse_node_view",
]
