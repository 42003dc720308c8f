"""A fault by hand, in long and in short."""

from __future__ import annotations

import pytest

from edge_lab.core.errors import InputError
from edge_lab.faults.kinds import Drop, Kill, OnDevice
from edge_lab.faults.shorthand import parse_fault
from tests.faults.plans import TOPOLOGY


@pytest.mark.parametrize(
    "words",
    [
        ["{fault: drop, link: arm-cloud, direction: tx}"],
        ["drop", "link=arm-cloud", "direction=tx"],
        ["{fault: drop,", "link: arm-cloud, direction: tx}"],
    ],
)
def test_a_fault_is_read_in_long_and_in_short(words: list[str]) -> None:
    assert parse_fault(words) == Drop(link="arm-cloud", direction="tx")


def test_the_short_form_reaches_into_fields_and_reads_values_as_yaml() -> None:
    drop = parse_fault(["drop", "link=arm-cloud", "match.protocol=tcp", "match.ports=[502, 4840]"])
    assert isinstance(drop, Drop)
    assert drop.match is not None
    assert (drop.match.protocol, drop.match.ports) == ("tcp", (502, 4840))
    device = parse_fault(["device", "device=boiler", "does.kind=slow", "does.delay_ms=1500"])
    assert isinstance(device, OnDevice)
    assert device.title == "boiler slow by 1.5 s"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "no fault given"),
        (["drop", "arm-cloud"], "'arm-cloud' is not a field of a fault"),
        (["drop", "=x"], "'=x' is not a field of a fault"),
        (["drop", "lnk=arm-cloud"], "Did you mean 'link'?"),
        (["drip", "link=arm-cloud"], "Did you mean 'drop'?"),
        (["drop", "link=[", "x=1"], "not valid YAML"),
        (["drop", "link=a", "link.b=c"], "'link' is already set"),
        (["{fault: drop"], "not valid YAML"),
        (["{fault: drop, link: arm-cloud, at: 5s}"], "unknown key 'at'"),
    ],
)
def test_a_fault_by_hand_that_is_none_says_why(words: list[str], says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_fault(words)
    assert says in str(caught.value)


def test_a_fault_by_hand_is_held_against_the_topology() -> None:
    Drop(link="arm-cloud").check(TOPOLOGY)
    with pytest.raises(InputError, match=r"there is no link 'arm'"):
        Drop(link="arm").check(TOPOLOGY)
    with pytest.raises(InputError, match=r"could not reach server"):
        Kill(node="server", service="ssh.service").check(TOPOLOGY)
