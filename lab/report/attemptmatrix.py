"""The matrices of hostile attempts by setting, and of the proofs of sandboxes, as a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from edge_lab.addons.hostile.settings import Setting
from edge_lab.oracles.sandbox.attempts import Finding, JudgedAttempt
from edge_lab.oracles.sandbox.judge import SandboxVerdict
from edge_lab.oracles.sandbox.proofs import PROOFS, Outcome, Proof
from edge_lab.report.matrixpage import details, matrix_page

LEGEND = (
    "green: as declared; red: reached or refused against what is declared, or refused for "
    "another reason, or a proof that fails; yellow: no evidence. – : nothing is declared. Click "
    "a cell to see its evidence."
)

_CLASS = {
    Finding.PASS: "pass",
    Finding.REACHED: "bad",
    Finding.REFUSED: "bad",
    Finding.WRONG_REASON: "bad",
    Finding.NO_EVIDENCE: "unknown",
    Outcome.HOLDS: "pass",
    Outcome.FAILS: "bad",
    Outcome.NO_EVIDENCE: "unknown",
}


def sandbox_html(
    judged: Iterable[JudgedAttempt],
    verdicts: Iterable[SandboxVerdict] = (),
    title: str = "Attempts of hostile pods",
) -> str:
    """For each node a table of attempts, one column for each setting; one of the proofs, with a
    column for each pod."""
    by_node: dict[str, list[JudgedAttempt]] = {}
    for judgement in judged:
        by_node.setdefault(judgement.node, []).append(judgement)
    tables = [
        f"<h2>Attempts on {escape(node)}</h2>\n{_attempts(found)}"
        for node, found in by_node.items()
    ]
    pods = tuple(verdicts)
    if pods:
        tables.insert(0, f"<h2>Proofs of the sandbox</h2>\n{_proofs(pods)}")
    return matrix_page(title, "\n".join(tables), LEGEND)


def _table(corner: str, columns: Sequence[str], rows: Iterable[str]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "\n".join(rows)
    return (
        f'<table><thead><tr><th scope="col">{corner}</th>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table>"
    )


def _row(name: str, below: str, cells: Iterable[str]) -> str:
    return (
        f'<tr><th scope="row">{escape(name)}<small>{escape(below)}</small></th>'
        f"{''.join(cells)}</tr>"
    )


def _attempts(judged: Sequence[JudgedAttempt]) -> str:
    met = {judgement.setting for judgement in judged}
    columns = [setting for setting in Setting if setting in met]
    rows: dict[str, dict[Setting, list[JudgedAttempt]]] = {}
    for judgement in judged:
        rows.setdefault(judgement.attempt, {}).setdefault(judgement.setting, []).append(judgement)
    return _table(
        "attempt",
        columns,
        (
            _row(
                name,
                next(iter(cells.values()))[0].title,
                (_attempt_cell(cells.get(setting, ())) for setting in columns),
            )
            for name, cells in rows.items()
        ),
    )


def _attempt_cell(found: Sequence[JudgedAttempt]) -> str:
    if not found:
        return '<td class="none">–</td>'
    worst = next((judgement for judgement in found if not judgement.passed), found[0])
    return f'<td class="{_CLASS[worst.finding]}">{"".join(map(_of_attempt, found))}</td>'


def _of_attempt(attempt: JudgedAttempt) -> str:
    wrong = attempt.finding in (Finding.WRONG_REASON, Finding.NO_EVIDENCE)
    word = f"{attempt.finding}: {attempt.shown}" if wrong else attempt.shown
    record = attempt.record.model_dump_json(indent=1) if attempt.record else "it was not made"
    notes = [expected.note for expected in attempt.expected if expected.note]
    return details(word, f"expected: {attempt.expected}", "\n\n".join((record, *notes)))


def _proofs(verdicts: Sequence[SandboxVerdict]) -> str:
    by_pod = [{proof.name: proof for proof in verdict.proofs} for verdict in verdicts]
    columns = [f"{verdict.pod}: {verdict.of_class}" for verdict in verdicts]
    return _table(
        "proof",
        columns,
        (
            _row(name, _wanted(name, by_pod), (_proof_cell(of_it.get(name)) for of_it in by_pod))
            for name in PROOFS
        ),
    )


def _wanted(name: str, by_pod: Sequence[dict[str, Proof]]) -> str:
    found = next((of_it[name] for of_it in by_pod if name in of_it), None)
    return f"{found.side}: {found.wanted}" if found else ""


def _proof_cell(proof: Proof | None) -> str:
    if proof is None:
        return '<td class="none">–</td>'
    cell = details(str(proof.outcome), f"seen: {proof.seen[:40]}", proof.seen)
    return f'<td class="{_CLASS[proof.outcome]}">{cell}</td>'
