"""The page of a stand-in lab, asked as a browser would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.live import lab as live_module
from edge_lab.live.lab import LiveLab
from tests.live.standin import QUICK, Somewhere, StandIn

if TYPE_CHECKING:
    from starlette.testclient import TestClient

HOST = "127.0.0.1:18000"
TOKEN = "a-token-of-this-test"


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "LOOK_EVERY", 0.02)


@pytest.fixture(autouse=True)
def _the_extra() -> None:
    for package in ("starlette", "uvicorn"):
        pytest.importorskip(package, reason=f"no {package} here: pip install 'edge-lab[ui]'")


@pytest.fixture
def lab(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


@pytest.fixture
def place(lab: StandIn) -> Somewhere:
    return Somewhere(lab)


@pytest.fixture
def live(place: Somewhere) -> Iterator[LiveLab]:
    with LiveLab("default", place, read_only=False, pace=QUICK) as found:
        known = Deadline.after(30)
        known.wait_for("links are known", lambda: found.snapshot().links.is_known)
        yield found


Open = Callable[..., "TestClient"]


@pytest.fixture
def opened(live: LiveLab) -> Open:
    """The page of a lab; with `token=None`, as somebody without one."""
    from starlette.testclient import TestClient

    from edge_lab.ui.app import make_app

    def open_page(page_of: LiveLab | None = None, token: str | None = TOKEN) -> TestClient:
        looks = iter(range(3))
        app = make_app(
            page_of or live,
            hosts=frozenset({HOST, "localhost:18000"}),
            token=TOKEN,
            is_over=lambda: next(looks, None) is None,
        )
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return TestClient(app, base_url=f"http://{HOST}", headers=headers)

    return open_page
