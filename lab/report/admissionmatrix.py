"""The matrix of pods and levels of Pod Security Admission, as a page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from edge_lab.oracles.sandbox.admission import (
    ADMISSION,
    AdmissionFinding,
    JudgedAdmission,
    Level,
)
from edge_lab.report.matrixpage import details, matrix_page

LEGEND = (
    "green: as declared; red: admitted or refused against what is declared, or for another reason; "
    "yellow: not tried. Click a cell to see the API server's message."
)
_CLASS = {AdmissionFinding.PASS: "pass", AdmissionFinding.NO_EVIDENCE: "unknown"}


def admission_html(judged: Sequence[JudgedAdmission], title: str = "Pod admission") -> str:
    """A row for each pod, a column for each level."""
    cells = {(judgement.request, judgement.level): _cell(judgement) for judgement in judged}
    head = "".join(f'<th scope="col">{escape(level)}</th>' for level in Level)
    none = '<td class="none">–</td>'
    body = "\n".join(
        f'<tr><th scope="row">{escape(name)}<small>{escape(row.title)}</small></th>'
        f"{''.join(cells.get((name, level), none) for level in Level)}</tr>"
        for name, row in ADMISSION.items()
    )
    table = (
        f'<table><thead><tr><th scope="col">pod</th>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table>"
    )
    return matrix_page(title, table, LEGEND)


def _cell(admission: JudgedAdmission) -> str:
    answer = admission.answer
    shown = answer.shown if answer else "not tried"
    word, _, below = shown.partition(": ")
    told = details(word, below, f"{admission}\n\n{answer.message if answer else ''}")
    return f'<td class="{_CLASS.get(admission.finding, "bad")}">{told}</td>'
