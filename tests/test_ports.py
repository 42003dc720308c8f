from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator

import pytest

from edge_lab.core import ports
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.ports import choose_ports, is_free, require_free
from tests.shortcuts import ports_of_worker


@pytest.fixture
def busy_port() -> Iterator[int]:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def test_chosen_ports_differ_and_are_free_and_untaken() -> None:
    taken = range(ports.FIRST, ports.LAST - 50)
    chosen = choose_ports(10, taken)
    assert len(set(chosen)) == 10
    assert not set(chosen) & set(taken)
    assert all(is_free(port) for port in chosen)


def test_workers_of_the_tests_that_choose_at_the_same_time_choose_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(random, "randrange", lambda _: 0)
    chosen: list[int] = []
    for worker in range(3):
        with ports_of_worker(worker, 3):
            chosen += choose_ports(6)
    assert len(set(chosen)) == 18


def test_too_few_free_ports_is_a_lab_error() -> None:
    with pytest.raises(LabError, match="no 3 free loopback ports"):
        choose_ports(3, range(ports.FIRST, ports.LAST - 2))


def test_a_port_that_something_listens_on_is_not_free(busy_port: int) -> None:
    assert not is_free(busy_port)


def test_a_busy_port_that_was_asked_for_is_an_input_error_with_a_remedy(busy_port: int) -> None:
    with pytest.raises(InputError, match="the API server needs it") as caught:
        require_free(busy_port, "the API server")
    assert "omit the option" in caught.value.remedy


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_what_is_no_port_number_is_refused(port: int) -> None:
    with pytest.raises(InputError, match="is not a port number"):
        require_free(port, "the API server")
