"""What an OPC UA device answers: a status for each item, and Good for nothing that it has not done.

OPC 10000-4 and 10000-11.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.devices import TruthWrite
from edge_lab.pki import Authority, KeyKind
from edge_lab.topology import OpcUaOptions
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

pytestmark = pytest.mark.slow(reason="an OPC UA device and its clients as processes")

SERVICES = HERE / "opcua_services_client.py"
VIEWS = HERE / "opcua_views_client.py"
URL = "opc.tcp://10.78.0.102:4840"


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require_namespaces()
    folder = tmp_path_factory.mktemp("d")
    authority = Authority.create("device CA", KeyKind.RSA)
    store(folder, "client", authority.issue(certificate("sampler")))
    nodes = OpcUaOptions(history=1000, nodesets=(HERE / "services.xml",))
    site = start_site(press_spec(folder, authority, nodes=nodes))
    yield site
    site.process.kill()
    site.process.wait()


def seen(site: Site, what: str, client: Path = SERVICES) -> dict[str, Any]:
    found: dict[str, Any] = as_client([site], client, what, str(site.spec.folder.parent))
    log = site.log.read_text()
    assert "Traceback" not in log, log
    return found


WRITES = {
    "nan": "BadOutOfRange",
    "infinity": "BadOutOfRange",
    "1e308": "BadOutOfRange",
    "too high": "BadOutOfRange",
    "just too high": "BadOutOfRange",
    "integer": "BadTypeMismatch",
    "text": "BadTypeMismatch",
    "array": "BadTypeMismatch",
    "null": "BadTypeMismatch",
    "unknown node": "BadNodeIdUnknown",
    "unknown attribute": "BadAttributeIdInvalid",
    "absent attribute": "BadAttributeIdInvalid",
    "name": "BadNotWritable",
    "read-only": "BadNotWritable",
    "no access": "BadUserAccessDenied",
    "unknown and of a wrong type": "BadNodeIdUnknown",
    "read-only and of a wrong type": "BadNotWritable",
    "object": "BadAttributeIdInvalid",
    "part of a scalar": "BadIndexRangeNoData",
    "server's time": "BadWriteNotSupported",
    "bad status": "BadWriteNotSupported",
    "uncertain": "BadWriteNotSupported",
}


def test_each_write_has_its_own_status_and_the_truth_has_what_was_done(press: Site) -> None:
    found = seen(press, "writes")
    assert found["alone"] == WRITES
    assert found["before"] == {name: [status, "Good"] for name, status in WRITES.items()}
    assert found["after"] == {name: ["Good", status] for name, status in WRITES.items()}
    assert found["mixed"] == [*WRITES.values(), "Good", "Good"]
    assert found["reads back"] == [250.3, 9]
    assert found["source's time"] == ["Good"]
    assert found["source's time is kept"]
    assert found["nan where it may be"] == ["Good"]
    assert found["nan is kept"]
    writes = [record for record in press.client.truth() if isinstance(record, TruthWrite)]
    done = [base + number for number in range(len(WRITES)) for base in (200.0, 220.0)]
    assert sorted(write.value for write in writes) == sorted([*done, 250.3, 251.0])
    assert {write.address for write in writes} == {"ns=2;s=press.requested_setpoint"}
    log = press.log.read_text()
    assert "write of ns=2;s=press.none: BadNodeIdUnknown" in log
    assert log.count("write of ns=2;s=press.force: BadNotWritable") == 1


def test_a_written_setpoint_is_active_from_the_next_step(press: Site) -> None:
    seen(press, "writes")
    after = press.client.snapshot().seq + 1
    Deadline.after(60).wait_for("a step", lambda: press.client.snapshot().seq > after)
    assert press.client.steps()[-1].values["setpoint"] == 251.0


def test_each_read_has_its_own_status(press: Site) -> None:
    found = seen(press, "reads")
    assert found["items"] == {
        "value": "Good",
        "unknown node": "BadNodeIdUnknown",
        "unknown attribute": "BadAttributeIdInvalid",
        "absent attribute": "BadAttributeIdInvalid",
        "value of an object": "BadAttributeIdInvalid",
        "no access": "BadUserAccessDenied",
        "write-only": "BadNotReadable",
        "binary structure": "Good",
        "XML structure": "BadDataEncodingUnsupported",
        "binary scalar": "BadDataEncodingInvalid",
        "odd encoding": "BadDataEncodingInvalid",
        "continuation points": "Good",
        "namespace": "Good",
    }
    assert found["continuation points"] == 100
    assert found["timestamps"] == {
        "Source": [True, False],
        "Server": [False, True],
        "Both": [True, True],
        "Neither": [False, False],
    }
    assert found["requests"] == {
        "nothing": "BadNothingToDo",
        "too many": "BadTooManyOperations",
        "many": "Good",
        "timestamps": "BadTimestampsToReturnInvalid",
        "unknown timestamps": "BadTimestampsToReturnInvalid",
        "age": "BadMaxAgeInvalid",
        "no age": "BadMaxAgeInvalid",
    }


def test_a_part_of_an_array_or_a_text_is_read_and_written(press: Site) -> None:
    found = seen(press, "ranges")
    assert found["read"] == {
        "numbers 1:3": [2.0, 3.0, 4.0],
        "numbers 4": [5.0],
        "numbers 3:9": [4.0, 5.0],
        "numbers 5": "BadIndexRangeNoData",
        "numbers 3:1": "BadIndexRangeInvalid",
        "numbers x": "BadIndexRangeInvalid",
        "numbers 1,1": "BadIndexRangeNoData",
        "text 2:4": "dus",
        "text 99": "BadIndexRangeNoData",
        "blob 1:2": "0102",
        "count 0": "BadIndexRangeNoData",
        "count -1": "BadIndexRangeInvalid",
        "force 0": "BadIndexRangeNoData",
    }
    assert found["write"] == {
        "numbers 1:2 [20.0, 30.0]": "Good",
        "numbers 0 [10.0]": "Good",
        "numbers 4:5 [0.0, 0.0]": "BadIndexRangeNoData",
        "numbers 0:2 [0.0]": "BadIndexRangeDataMismatch",
        "numbers 0 0.0": "BadIndexRangeDataMismatch",
        "numbers 0 [0]": "BadTypeMismatch",
        "numbers 2:1 [0.0]": "BadIndexRangeInvalid",
        "text 0:1 'IN'": "Good",
        "text 0:1 'none'": "BadIndexRangeDataMismatch",
        "blob 5 b'\\xff'": "Good",
        "count 0 0": "BadIndexRangeNoData",
    }
    numbers, text, blob, _ = found["after"]
    assert numbers == [10.0, 20.0, 30.0, 4.0, 5.0]
    assert (text, blob) == ("INdustry", "0001020304ff")


def test_references_come_in_pages_that_are_not_given_twice(press: Site) -> None:
    found = seen(press, "views", VIEWS)
    pages = found["pages"]
    assert [node for page in pages for node in page] == found["whole"]
    assert {len(page) for page in pages[:-1]} == {3}
    assert found["points"] == ["Good", *["BadContinuationPointInvalid"] * 3, 0]
    assert found["browse"] == [
        "Good",
        "BadNodeIdUnknown",
        "BadBrowseDirectionInvalid",
        "BadReferenceTypeIdInvalid",
        "BadReferenceTypeIdInvalid",
        "Good",
    ]
    assert found["requests"] == {
        "browse nothing": "BadNothingToDo",
        "a view": "BadViewIdUnknown",
        "browse next nothing": "BadNothingToDo",
        "unknown direction": "BadBrowseDirectionInvalid",
    }
    assert found["paths"] == [
        "Good",
        "BadNothingToDo",
        "BadNodeIdUnknown",
        "BadNoMatch",
        "BadBrowseNameInvalid",
        "Good",
    ]
    assert found["registered"]


def test_what_a_device_does_not_do_it_does_not_call_good(press: Site) -> None:
    found = seen(press, "methods", VIEWS)
    assert found["call"] == [
        "BadNodeIdUnknown",
        "BadMethodInvalid",
        "BadMethodInvalid",
        "BadMethodInvalid",
        "BadNotImplemented",
    ]
    assert found["add"] == found["delete"] == "BadUserAccessDenied"
    assert found["is there still"] == "Good"
    assert found["requests"] == {
        "call nothing": "BadNothingToDo",
        "translate nothing": "BadNothingToDo",
        "register nothing": "BadNothingToDo",
        "unknown service": "BadServiceUnsupported",
        "query": "BadServiceUnsupported",
        "history update": "BadServiceUnsupported",
        "register a server": "BadServiceUnsupported",
        "find on network": "BadServiceUnsupported",
    }
    assert found["goes on"] == "Good"


def test_a_device_names_its_own_address_whatever_it_is_asked(press: Site) -> None:
    found = seen(press, "discovery")
    for name in ("own", "empty", "null", "foreign", "loopback", "junk", "port"):
        assert found[name] == [URL], name
    assert (found["other profile"], found["by name"], found["another"]) == (0, 1, 0)


def test_history_is_read_as_it_was_asked_for(press: Site) -> None:
    Deadline.after(60).wait_for("steps", lambda: press.client.snapshot().seq > 12)
    found = seen(press, "history", VIEWS)
    whole = found["whole"]
    assert len(whole) == 6
    assert found["parts"] == [whole[:2], whole[2:4], whole[4:5]]
    assert found["points"] == {
        "of another node": "BadContinuationPointInvalid",
        "spent": "BadContinuationPointInvalid",
        "junk": "BadContinuationPointInvalid",
        "released": "Good",
        "released gives": True,
        "read after release": "BadContinuationPointInvalid",
        "released twice": "BadContinuationPointInvalid",
        "nothing to release": "BadContinuationPointInvalid",
    }
    assert found["bounded"] == ["no bound", *whole[:3]]
    assert found["backwards"] == [whole[3], whole[2], whole[1]]
    assert found["empty"] == ["GoodNoData", []]
    assert found["items"] == [
        "Good",
        "BadNodeIdUnknown",
        "BadHistoryOperationUnsupported",
        "BadHistoryOperationUnsupported",
        "BadIndexRangeNoData",
        "BadIndexRangeInvalid",
        "BadDataEncodingInvalid",
        "Good",
    ]
    invalid, unsupported = "BadHistoryOperationInvalid", "BadHistoryOperationUnsupported"
    assert found["details"] == {
        name: [status, "BadNodeIdUnknown"]
        for name, status in {
            "modified": unsupported,
            "nothing bounds it": invalid,
            "start alone": invalid,
            "end alone": invalid,
            "number alone": invalid,
            "processed": unsupported,
            "at times": unsupported,
            "events": unsupported,
        }.items()
    }
    assert found["requests"] == {
        "nothing": "BadNothingToDo",
        "no timestamps": "BadTimestampsToReturnInvalid",
        "timestamps": "BadTimestampsToReturnInvalid",
        "no details": "BadHistoryOperationInvalid",
    }
    assert found["source only"] == [True]


def test_a_device_goes_on_as_if_nothing_had_been(press: Site) -> None:
    status = press.client.status()
    assert (status.reachable, status.refused) == (True, 0)
