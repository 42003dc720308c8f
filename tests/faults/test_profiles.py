"""Line profiles: the figures of their sources, and what an unknown name is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_lab.cli.app import app
from edge_lab.core.errors import InputError
from edge_lab.faults.families.link.profiles import PROFILES, LinkProfile, profile

PAGE = Path(__file__).resolve().parents[2] / "docs" / "break-a-lab.md"

# As the sources have them: milliseconds there and back, kbit/s down and up.
FIGURES = {
    "3g": (300, 1600, 768),
    "lte": (70, 12_000, 12_000),
    "edge": (840, 240, 200),
    "3g-weak": (145, 3075, 909),
    "4g-weak": (113, 3296, 150),
    "geo": (600, 18_750, 2960),
    "leo": (50, 87_250, 13_540),
    "factory-wifi": (10, 20_000, 20_000),
}


@pytest.mark.parametrize("name", PROFILES)
def test_a_round_trip_and_the_rates_are_those_of_the_source(name: str) -> None:
    line = profile(name)
    rtt, down, up = FIGURES[name]
    assert line.up.delay_ms + line.down.delay_ms == rtt
    assert line.up.delay_ms == line.down.delay_ms
    assert (line.down.rate_kbit, line.up.rate_kbit) == (down, up)


@pytest.mark.parametrize("line", PROFILES.values(), ids=lambda line: line.name)
def test_each_profile_changes_something_both_ways_and_says_who_says_so(line: LinkProfile) -> None:
    assert not line.up.is_clear
    assert not line.down.is_clear
    assert line.what
    assert len(line.source) > 20
    assert PROFILES[line.name] is line


def test_frames_hardly_overtake_each_other_where_delays_stray() -> None:
    for line in PROFILES.values():
        for way in (line.up, line.down):
            assert way.jitter_ms <= way.delay_ms / 2


def test_factory_wifi_loses_frames_in_bursts() -> None:
    losses = profile("factory-wifi").up.burst_loss
    assert losses is not None
    assert 0.001 < losses.loss < 0.02
    assert 1 / losses.r == 4


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(InputError) as caught:
        profile("factory-wify")
    assert "there is no line profile 'factory-wify'" in str(caught.value)
    assert "Did you mean 'factory-wifi'?" in str(caught.value)
    assert all(name in str(caught.value) for name in PROFILES)


def test_the_command_and_the_page_show_them_all() -> None:
    printed = CliRunner().invoke(app, ["fault", "profiles"], env={"COLUMNS": "200"}).output
    page = PAGE.read_text(encoding="utf-8")
    for name, line in PROFILES.items():
        assert name in printed
        assert f"`{name}`" in page
        assert line.what in page
