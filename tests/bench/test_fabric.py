"""What the fabric's benchmark measures, without measuring it."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from edge_lab.bench import fabric
from edge_lab.bench.media import Medium, direct_udp
from edge_lab.bench.ports import from_port, to_port


@pytest.mark.parametrize(("user", "lines"), [(0, 0), (1000, 1)])
def test_an_ordinary_user_measures_all_but_ports(
    user: int, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    media: list[Medium] = []

    def trial(medium: Medium, *_: object) -> SimpleNamespace:
        media.append(medium)
        return SimpleNamespace(arrived_per_second=1.0)

    def highest_rate(medium: Medium, *_: object) -> float:
        media.append(medium)
        return 1.0

    def latencies(medium: Medium) -> list[float]:
        media.append(medium)
        return [1.0]

    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(fabric, "trial", trial)
    monkeypatch.setattr(fabric, "highest_rate", highest_rate)
    monkeypatch.setattr(fabric, "latencies", latencies)
    effects = SimpleNamespace(stopped=[1.0], resumed=[1.0])
    monkeypatch.setattr(fabric, "effects", lambda _: effects)
    said: list[str] = []
    figures = fabric.measure(2, said.append)
    assert sum("left out" in line for line in said) == lines
    assert {from_port, to_port}.isdisjoint(media) == bool(lines)
    assert ("to a port" in {figure.contender for figure in figures}) == (not lines)
    assert direct_udp in media
