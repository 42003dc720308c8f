"""The matrix of endpoints and probes: what stands in its cells."""

from __future__ import annotations

import re

from edge_lab.oracles.identity import judge_probe
from edge_lab.probes.expected import Expected, alert, let_in, status, unreachable
from edge_lab.probes.record import Alert, Ended, HttpAnswer, ProbeRecord, Step
from edge_lab.report.probematrix import matrix_html


def record(probe: str, **more: object) -> ProbeRecord:
    plain: dict[str, object] = {
        "endpoint": "server/<api>",
        "probe": probe,
        "client": "edge-arm",
        "address": "10.77.0.1",
        "port": 6443,
        "step": Step.ANSWER,
        "ended": Ended.ANSWERED,
        "seconds": 0.1,
        "time": 1,
    }
    return ProbeRecord.model_validate(plain | more)


def page(*seen: tuple[ProbeRecord, Expected]) -> str:
    return matrix_html([judge_probe(record, expected) for record, expected in seen])


def classes(html: str) -> list[str]:
    return re.findall(r'<td class="(\w+)"', html)


def test_each_cell_has_its_colour_and_its_words() -> None:
    html = page(
        (record("right", http=HttpAnswer(status=200)), let_in(200)),
        (record("none", http=HttpAnswer(status=200)), status(401)),
        (record("foreign-ca", ended=Ended.ALERT, alert=Alert(number=45)), alert(48)),
        (record("expired", step=Step.CONNECT, ended=Ended.NOT_CONNECTED), status(401)),
    )
    assert classes(html) == ["pass", "bad", "bad", "unknown"]
    assert "let in: HTTP 200" in html
    assert "wrong reason: alert 45 certificate_expired" in html
    assert "expected: alert 48 unknown_ca" in html
    assert "no evidence: not connected" in html


def test_names_are_escaped_and_each_cell_opens_its_record() -> None:
    html = page((record("right", http=HttpAnswer(status=200, body="<b>")), let_in()))
    assert "server/&lt;api&gt;" in html
    assert "<b>&" not in html
    assert html.count("<details>") == 1
    assert "&quot;port&quot;: 6443" in html


def test_a_probe_that_was_not_made_is_no_pass() -> None:
    other = record("none", client="edge-riscv", http=HttpAnswer(status=401))
    html = page(
        (record("right", http=HttpAnswer(status=200)), let_in()),
        (other, status(401)),
    )
    assert sorted(classes(html)) == ["none", "none", "pass", "pass"]


def test_what_comes_over_the_wire_stands_in_the_row_of_its_endpoint() -> None:
    html = page(
        (record("plaintext", http=HttpAnswer(status=200)), let_in()),
        (
            record("from-wire", client="server", step=Step.CONNECT, ended=Ended.NOT_CONNECTED),
            unreachable(),
        ),
    )
    assert classes(html) == ["pass", "pass"]
    assert html.count('<th scope="row">') == 1


def test_what_is_asked_and_who_dials_have_tables_of_their_own() -> None:
    answered = HttpAnswer(status=200)
    asked = record("right", endpoint="server/kube-apiserver/read-own-node", http=answered)
    dialled = record("server", endpoint="edge-arm/yurthub to kube-apiserver", ended=Ended.ACCEPTED)
    html = page((record("right", http=answered), let_in()), (asked, let_in()), (dialled, let_in()))
    headings = re.findall("<h2>([^<]+)</h2>", html)
    assert headings == ["Endpoints", "Requests", "False cloud"]
    assert classes(html) == ["pass"] * 3, "no column of another table"
    assert "<h2>Requests" not in page((record("right", http=answered), let_in()))
