from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from edge_lab.core.errors import InputError, LabError
from edge_lab.core.ports import FIRST, LAST, choose_ports, is_free, require_free


@pytest.fixture
def busy_port() -> Iterator[int]:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def test_chosen_ports_differ_and_are_free_and_untaken() -> None:
    taken = range(FIRST, LAST - 50)
    chosen = choose_ports(10, taken)
    assert len(set(chosen)) == 10
    assert not set(chosen) & set(taken)
    assert all(is_free(port) for port in chosen)


def test_too_few_free_ports_is_a_lab_error() -> None:
    with pytest.raises(LabError, match="no 3 free loopback ports"):
        choose_ports(3, range(FIRST, LAST - 2))


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
