"""The table of planted defects: which probes each has turned red.

A green probe proves little if it was never seen red.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from edge_lab.oracles.identity import Finding, Judged
from edge_lab.probes.catalog import PROBES
from edge_lab.probes.expected import Outcome

STYLE = """
body { margin: 12px; background: #fff; color: #1f2933;
  font: 13px/1.45 "DejaVu Sans", Helvetica, Arial, sans-serif; }
table { border-collapse: collapse; }
th, td { border: 1px solid #b8c2cc; padding: 4px 8px; text-align: left; vertical-align: top; }
thead th { background: #dfe5ec; }
.seen { background: #e8f5ec; }
.unseen { background: #fdf3dc; }
"""


LEGEND = (
    "A probe that failed at one planted defect is able to fail. A defect need not affect each "
    "probe that was made: yurthub, open on the node's address, still refuses old TLS versions."
)


@dataclass(frozen=True)
class Control:
    """A probe of an endpoint or client with a planted defect, and its finding."""

    defect: str
    judged: Judged

    @property
    def is_red(self) -> bool:
        return self.judged.finding is Finding.LET_IN


def not_controlled(judged: Iterable[Judged], controls: Iterable[Control]) -> tuple[str, ...]:
    """The probes among `judged` that no control turned red."""
    red = {control.judged.record.probe for control in controls if control.is_red}
    refusals = {
        judgement.record.probe
        for judgement in judged
        if judgement.expected.outcome is not Outcome.LET_IN
    }
    return tuple(name for name in PROBES if name in refusals - red)


def controls_html(judged: Iterable[Judged], controls: Iterable[Control]) -> str:
    """One row for each probe and planted defect, and one for each probe without a control."""
    kept = tuple(controls)
    order = list(PROBES)
    rows: dict[tuple[str, str], Control] = {}
    for control in sorted(kept, key=lambda judgement: order.index(judgement.judged.record.probe)):
        where = control.judged.record.probe, control.defect
        # Of several, one that was not red is shown.
        if where not in rows or not control.is_red:
            rows[where] = control
    body = [_row(name, defect, control) for (name, defect), control in rows.items()]
    body += [_row(name, "none in this run", None) for name in not_controlled(judged, kept)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Negative controls</title><style>{STYLE}</style></head>\n<body><table>"
        "<thead><tr><th>probe</th><th>planted defect</th><th>failed as required</th></tr></thead>\n"
        f"<tbody>{''.join(body)}</tbody></table><p>{escape(LEGEND)}</p></body></html>\n"
    )


def _row(name: str, defect: str, control: Control | None) -> str:
    red = control is not None and control.is_red
    word = "no" if control is None else f"{'yes' if red else 'no'}: {control.judged.finding}"
    return (
        f'<tr class="{"seen" if red else "unseen"}"><td>{escape(PROBES[name].title)}</td>'
        f"<td>{escape(defect)}</td><td>{escape(word)}</td></tr>"
    )
