"""Plans that cannot be right: each mistake is answered with its line and a remedy."""

from __future__ import annotations

import pytest

from tests.faults.plans import GOOD, plan_of, refusal
from tests.invalidfiles import assert_answered, line_with, with_mistake

# Each mistake: what is replaced by what, what the message says, the line it names.
MISTAKES = {
    "an unknown fault": (
        "fault: cut",
        "fault: cutt",
        ["faults.0.fault: unknown value 'cutt'", "Did you mean 'cut'?", "half-open"],
        "cutt",
    ),
    "a fault that is not named": (
        "fault: cut, ",
        "",
        ["'faults.0.fault' is missing", "Available: cut, drop"],
        "link: arm-cloud, at",
    ),
    "an entry that is no mapping": (
        "faults:\n",
        "faults:\n  - cut the wire\n",
        ["an entry must be a mapping with the key `fault` or `at_random`"],
        "cut the wire",
    ),
    "an unknown field names the one that was meant": (
        "delay_ms",
        "dealy_ms",
        ["unknown key 'faults.1.dealy_ms'", "Did you mean 'delay_ms'?", ", at, for."],
        "dealy_ms",
    ),
    "a misspelt time": (
        "at: 10s, for: 60s}\n  - {fault: impair",
        "at: 10s, fro: 60s}\n  - {fault: impair",
        ["unknown key 'faults.0.fro'", "Did you mean 'for'?"],
        "fro",
    ),
    "a negative time": (
        "at: 20s",
        "at: -20s",
        ["faults.2.at", "'-20s' is negative", "90s, 5m"],
        "-20s",
    ),
    "a time that is none": ("at: 20s", "at: soon", ["'soon' is not a duration"], "soon"),
    "a fault without a beginning": (
        ", at: 20s",
        "",
        ["'faults.2.at' is missing"],
        "kubelet",
    ),
    "a fault for ever": (
        "at: 10s, for: 60s}\n  - {fault: impair",
        "at: 10s}\n  - {fault: impair",
        ["cut on arm-cloud has no `for`: it would never end", "for: 60s"],
        "fault: cut",
    ),
    "a fault for no time": (
        "at: 10s, for: 60s}\n  - {fault: impair",
        "at: 10s, for: 0s}\n  - {fault: impair",
        ["`for: 0` leaves no time to see the fault"],
        "for: 0s",
    ),
    "an unknown link": (
        "link: arm-cloud, at",
        "link: arm-clod, at",
        ["there is no link 'arm-clod'", "Did you mean 'arm-cloud'?", "boiler-plant"],
        "arm-clod",
    ),
    "an unknown node": (
        "node: edge-arm",
        "node: edge-amd",
        ["there is no node 'edge-amd'", "server, edge-arm, edge-riscv"],
        "edge-amd",
    ),
    "an unknown link in a random block": (
        "{fault: drop, link: arm-cloud}",
        "{fault: drop, link: arm}",
        ["there is no link 'arm'"],
        "link: arm}",
    ),
    "a service with a space in it": (
        "kubelet.service",
        '"kubelet service"',
        ["faults.2.service", "'kubelet service'"],
        "kubelet service",
    ),
    "a service without its suffix": (
        "kubelet.service",
        "kubelet",
        ["'kubelet' is not a service", "Write it as kubelet.service."],
        "service: kubelet",
    ),
    "the service over which the lab heals": (
        "kubelet.service",
        "ssh.service",
        ["without ssh.service the lab could not reach edge-arm to heal it"],
        "ssh.service",
    ),
    "an end beyond the plan's": (
        "at: 10s, for: 60s}\n  - {fault: impair",
        "at: 130s, for: 60s}\n  - {fault: impair",
        ["cut on arm-cloud ends at 3m10s, and the plan lasts 3m"],
        "130s",
    ),
    "a plan that lasts no time": ("lasts: 3m", "lasts: 0s", ["lasts: ", "than 0"], "lasts"),
    "a plan that lasts for years": ("lasts: 3m", "lasts: 9000h", ["lasts: "], "lasts"),
    "a plan without an end": ("lasts: 3m\n", "", ["'lasts' is missing"], "name"),
    "a plan without faults": (
        GOOD[GOOD.index("faults:") :],
        "faults: []\n",
        ["faults: ", "at least 1"],
        "faults",
    ),
    "a name with capitals": ("name: uplink", "name: Uplink", ["name: "], "Uplink"),
    "a negative seed": ("seed: 7", "seed: -7", ["seed: "], "seed"),
    "two faults on one link at once": (
        "link: riscv-cloud, delay",
        "link: arm-cloud, delay",
        [
            "delay 300 ms ± 50 ms on arm-cloud at 10s for 1m conflicts with cut on arm-cloud at",
            "both lock link arm-cloud",
        ],
        "delay_ms",
    ),
    "more random faults than there is room for": (
        "count: 5",
        "count: 50",
        ["no room for 50 faults between 0s and 2m40s with the seed 7", "fewer or shorter"],
        "at_random",
    ),
    "no random faults": ("count: 5", "count: 0", ["at_random.count"], "count: 0"),
    "a random block that reaches beyond the plan": (
        "[0s, 160s]",
        "[0s, 200s]",
        ["`between` reaches to 3m20s, and the plan lasts 3m"],
        "200s",
    ),
    "a random block backwards": (
        "[0s, 160s]",
        "[160s, 20s]",
        ["faults.3.at_random.between: 2m40s is more than 20s"],
        "160s",
    ),
    "a random block for ever": (
        "      for: [5s, 20s]\n",
        "",
        ["`for` is missing: the faults would never end"],
        "at_random",
    ),
    "a random block for no time": (
        "[5s, 20s]",
        "[0s, 20s]",
        ["leaves no time to see a fault"],
        "for: [0s",
    ),
    "random faults with times of their own": (
        "{fault: drop, link: arm-cloud}",
        "{fault: drop, link: arm-cloud, at: 5s}",
        ["unknown key 'faults.3.at_random.choose.0.at'"],
        "at: 5s",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_line_and_remedy(mistake: str) -> None:
    text = with_mistake(GOOD, MISTAKES[mistake])
    trouble = refusal(text)
    assert_answered(trouble, MISTAKES[mistake], text, "plan.yaml")


# What no lab should be asked for: the second fault, and what is said of it.
SENSELESS = {
    "{fault: device, device: boiler, does: {kind: untrusted}, at: 0, for: 9}": (
        "boiler: the fault 'untrusted' does not exist on modbus-tcp"
    ),
    "{fault: device, device: oven, does: {kind: junk}, at: 0, for: 9}": (
        "there is no device 'oven'"
    ),
    "{fault: device, device: boiler, does: {kind: junk, probability: 0}, at: 0, for: 9}": (
        "a fault with probability 0 has no visible effect"
    ),
    "{fault: device, device: boiler, does: {kind: slow, delay_ms: 0}, at: 0, for: 9}": (
        "a fault with delay_ms 0 has no visible effect"
    ),
    "{fault: profile, link: arm-cloud, name: 5g, at: 0, for: 9}": "there is no line profile '5g'",
    "{fault: impair, link: arm-cloud, at: 0, for: 9}": "an impairment that changes nothing",
    "{fault: clock-jump, node: server, seconds: 0, at: 0, for: 9}": "no visible effect",
    "{fault: clock-skew, node: server, ppm: 0, at: 0, for: 9}": "no visible effect",
    "{fault: disk-full, node: server, path: /proc, at: 0, for: 9}": "/proc is not a path",
    "{fault: disk-full, node: server, path: /run/x, at: 0, for: 9}": "/run/x is not a path",
    "{fault: disk-full, node: server, path: /var/../dev, at: 0, for: 9}": "is not a path",
    "{fault: freeze, node: server, service: sshd.service, at: 0, for: 9}": "could not reach server",
    "{fault: kill, node: server, service: ssh@1.service, at: 0}": "could not reach server",
}


@pytest.mark.parametrize("fault", SENSELESS)
def test_a_fault_without_sense_is_refused_alone_and_in_a_random_block(fault: str) -> None:
    text = plan_of(fault)
    assert SENSELESS[fault] in str(refusal(text))
    assert refusal(text).line == line_with(text, fault)
    plain = fault.replace(", at: 0, for: 9", "").replace(", at: 0", "")
    block = f"at_random: {{count: 1, between: [0, 60], for: [5, 9], choose: [{plain}]}}"
    assert SENSELESS[fault] in str(refusal(plan_of(block)))
