from __future__ import annotations

from edge_lab.bench.figures import Figure
from edge_lab.bench.lifecycle import Times
from edge_lab.bench.looks import LookTimes
from edge_lab.bench.page import performance_page
from edge_lab.bench.proofs import ProofTimes


def test_the_page_shows_machine_stages_and_ratios() -> None:
    times = Times("default", "kubernetes+openyurt", "tcg", {"down": 2.5}, {"server": 25.0}, 900)
    times.proofs = (ProofTimes("drop on arm-cloud", (1.0, 1.5, 2.0), (0.8, 0.9, 0.8)),)
    times.looks = LookTimes(client=(0.01, 0.02, 0.03), kubectl=(0.2, 0.25, 0.3))
    figures = [
        Figure("flood", "fabric", "frames/s", [200.0, 400.0, 300.0]),
        Figure("flood", "vde_switch", "frames/s", [100.0, 150.0, 200.0]),
    ]
    page = performance_page({"processor": "a fast one"}, [times], figures)
    assert "| processor | a fast one |" in page
    assert "| down | 2.5 |" in page
    assert "server 25 s" in page
    assert "| drop on arm-cloud | 1.5 | 1.0 to 2.0 | 0.8 | 0.8 to 0.9 |" in page
    assert "| a kubectl process | 0.250 | 0.200 to 0.300 | 12.5 |" in page
    assert "| flood | fabric | 300 frames/s | 200 to 400 |  |" in page
    assert "|  | vde_switch | 150 frames/s | 100 to 200 | 2.00 |" in page
