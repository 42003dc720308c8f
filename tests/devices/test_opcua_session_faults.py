"""Which faults of an OPC UA device end sessions, and which only connections."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge_lab.devices import DeviceFault
from edge_lab.devices.faults import Gone, SessionDrop, Untrusted
from edge_lab.pki import Authority, KeyKind
from tests.devices.plant_site import (
    HERE,
    Site,
    as_client,
    certificate,
    press_spec,
    require_namespaces,
    start_site,
    store,
)

pytestmark = pytest.mark.slow(reason="an OPC UA client that is a process of its own for each fault")


ENDED = {"session": "BadSessionIdInvalid", "subscription": "BadSubscriptionIdInvalid"}
GOES_ON = {"session": "", "subscription": "Good"}


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require_namespaces()
    folder = tmp_path_factory.mktemp("d")
    authority = Authority.create("device CA", KeyKind.RSA)
    store(folder, "client", authority.issue(certificate("sampler")))
    site = start_site(press_spec(folder, authority))
    yield site
    site.process.kill()
    site.process.wait()


@pytest.mark.parametrize(
    ("does", "left"),
    [
        (SessionDrop(), ENDED),
        (SessionDrop(period_s=0.2), ENDED),
        (Untrusted(), ENDED),
        (Gone(), ENDED),
        (Gone(how="refused"), GOES_ON),
    ],
    ids=str,
)
def test_a_session_is_left_or_must_be_made_anew(
    press: Site, does: DeviceFault, left: dict[str, str]
) -> None:
    words = (does.model_dump_json(), str(press.spec.folder.parent), str(press.spec.folder))
    assert as_client([press], HERE / "opcua_session_client.py", *words) == left
