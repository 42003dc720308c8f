"""The page with the matrix of endpoints and probes, without scripts or external resources.

A cell shows the finding, by colour and in words, and opens the record behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from html import escape

from edge_lab.oracles.identity import Finding, Judged
from edge_lab.probes.catalog import PROBES
from edge_lab.probes.cloudclient import SERVER_CERTIFICATES
from edge_lab.report.matrixpage import details, matrix_page

_CLASS = {
    Finding.PASS: "pass",
    Finding.LET_IN: "bad",
    Finding.WRONG_REASON: "bad",
    Finding.SHUT_OUT: "bad",
    Finding.NO_EVIDENCE: "unknown",
}


class Section(StrEnum):
    """The tables of the page, each with its own columns."""

    ENDPOINTS = "Endpoints"
    REQUESTS = "Requests"
    """Endpoints with a single request."""
    FALSE_CLOUD = "False cloud"


LEGEND = (
    "green: as expected; red: let in, shut out, or refused for another reason; yellow: no "
    "evidence. – : the probe is not for this endpoint."
)


def matrix_html(judged: Iterable[Judged], title: str = "Identity probes") -> str:
    """One row for each endpoint and probing node, one column for each probe; single requests, and
    clients in front of a false cloud, are in separate tables."""
    rows: dict[tuple[str, str], dict[str, list[Judged]]] = {}
    for judgement in judged:
        # Probes from other nodes are shown beside those from the node itself.
        client = "" if PROBES[judgement.record.probe].from_wire else judgement.record.client
        row = rows.setdefault((judgement.record.endpoint, client), {})
        row.setdefault(judgement.record.probe, []).append(judgement)
    rows = _joined(rows)
    tables = "\n".join(
        f"<h2>{escape(section)}</h2>\n{_table(of_it)}"
        for section in Section
        if (
            of_it := {
                where: cells for where, cells in rows.items() if _section(where, cells) is section
            }
        )
    )
    return matrix_page(title, tables, LEGEND)


def _section(where: tuple[str, str], cells: Iterable[str]) -> Section:
    if not set(cells) - set(SERVER_CERTIFICATES):
        return Section.FALSE_CLOUD
    return Section.REQUESTS if where[0].count("/") > 1 else Section.ENDPOINTS


def _table(rows: Mapping[tuple[str, str], dict[str, list[Judged]]]) -> str:
    met = {probe for row in rows.values() for probe in row}
    columns = [name for name in PROBES if name in met]
    head = "".join(f'<th scope="col">{escape(PROBES[name].title)}</th>' for name in columns)
    body = "\n".join(_row(where, cells, columns) for where, cells in rows.items())
    return (
        f'<table><thead><tr><th scope="col">endpoint</th>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table>"
    )


def _joined(
    rows: dict[tuple[str, str], dict[str, list[Judged]]],
) -> dict[tuple[str, str], dict[str, list[Judged]]]:
    """With probes from other nodes in the row of their endpoint, if it has one."""
    joined = {where: dict(cells) for where, cells in rows.items() if where[1]}
    for (endpoint, client), cells in rows.items():
        if client:
            continue
        place = next((where for where in joined if where[0] == endpoint), (endpoint, client))
        for probe, found in cells.items():
            joined.setdefault(place, {}).setdefault(probe, []).extend(found)
    return joined


def _row(where: tuple[str, str], cells: dict[str, list[Judged]], columns: Sequence[str]) -> str:
    endpoint, client = where
    origin = f"<small>from {escape(client)}</small>" if client else ""
    found = "".join(_cell(cells.get(column, ())) for column in columns)
    return f'<tr><th scope="row">{escape(endpoint)}{origin}</th>{found}</tr>'


def _cell(found: Sequence[Judged]) -> str:
    if not found:
        return '<td class="none">–</td>'
    worst = next((judgement for judgement in found if not judgement.passed), found[0])
    inner = "".join(map(_details, found))
    return f'<td class="{_CLASS[worst.finding]}">{inner}</td>'


def _details(judged: Judged) -> str:
    word = judged.record.shown if judged.passed else f"{judged.finding}: {judged.record.shown}"
    note = f"\n\n{judged.expected.note}" if judged.expected.note else ""
    record = judged.record.model_dump_json(indent=1, exclude_defaults=True)
    return details(word, f"expected: {judged.expected}", record + note)
