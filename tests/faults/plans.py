"""Plans for tests: good ones, made-up ones, and a judge of schedules."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest

from edge_lab.core.errors import InputError
from edge_lab.faults.plan import Plan, parse_plan, plan_schema
from edge_lab.faults.schedule import Planned
from edge_lab.topology import Topology, load_topology

ROOT = Path(__file__).resolve().parents[2]
PLANS = ROOT / "plans"
TOPOLOGY = load_topology(ROOT / "labs" / "default.yaml")

GOOD = """\
name: uplink-cut-and-bad-line
seed: 7
lasts: 3m
faults:
  - {fault: cut, link: arm-cloud, at: 10s, for: 60s}
  - {fault: impair, link: riscv-cloud, delay_ms: 300, jitter_ms: 50, at: 10s, for: 60s}
  - {fault: kill, node: edge-arm, service: kubelet.service, at: 20s}
  - at_random:
      count: 5
      between: [0s, 160s]
      for: [5s, 20s]
      choose:
        - {fault: drop, link: arm-cloud}
        - {fault: flap, link: riscv-cloud, period_s: 4, count: 3}
"""


def plan_of(*faults: str, lasts: str = "10m", seed: int = 0) -> str:
    head = f"name: test\nseed: {seed}\nlasts: {lasts}\nfaults:\n"
    return head + "".join(f"  - {each}\n" for each in faults)


def refusal(text: str, topology: Topology = TOPOLOGY) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_plan(text, topology, "plan.yaml")
    return caught.value


@functools.cache
def schema_of_plans() -> jsonschema.Draft202012Validator:
    """Judges trees by the schema. The schema itself is checked once, by a test of its own."""
    return jsonschema.Draft202012Validator(plan_schema())


def shipped() -> list[Path]:
    return sorted(PLANS.glob("*.yaml"))


def faults_of(schedule: Sequence[Planned], plan: Plan) -> list[str]:
    """What is wrong with a schedule, judged apart from the code that made it."""
    found = []
    if [each.at_s for each in schedule] != sorted(each.at_s for each in schedule):
        found.append("not in order")
    for each in schedule:
        if each.at_s < 0 or each.at_s + (each.for_s or 0) > plan.lasts_s:
            found.append(f"{each} is not within the plan")
    for first, second in itertools.combinations(schedule, 2):
        if first.ends_s <= second.at_s or second.ends_s <= first.at_s:
            continue
        if first.fault.targets & second.fault.targets:
            found.append(f"{first} and {second} share a target")
        for off, else_ in ((first.fault, second.fault), (second.fault, first.fault)):
            node = getattr(off, "node", None)
            if off.fault not in ("power-off", "reboot", "pause"):
                continue
            links = [link.name for link in TOPOLOGY.links_of(str(node))]
            if getattr(else_, "node", None) == node or getattr(else_, "link", None) in links:
                found.append(f"{first} and {second}: {node} is not there")
    return found
