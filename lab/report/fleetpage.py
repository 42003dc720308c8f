"""The page of fleets: curves and figures, without scripts or external resources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from edge_lab.evidence.fleet import Calls, FleetLoad, HerdEvidence
from edge_lab.measuring.measures import Measure, number_text, value_text
from edge_lab.oracles.fleet import judge_herd, judge_load
from edge_lab.report.fleetcurve import curve_svg
from edge_lab.report.plainpage import plain_page

_STYLE = ".problem { color: #c53030; }\n"

LEGEND = (
    "Times of the API server are its own (apiserver_request_sli_duration_seconds), without "
    "webhooks, queues and the network. A p99 with ≥ is beyond the last bucket of the histogram. "
    "The figures depend on the host as much as on the control plane, so the accelerator is "
    "shown with them."
)

MOST_KINDS = 12


def fleet_html(loads: Sequence[FleetLoad], herds: Sequence[HerdEvidence] = ()) -> str:
    """The page; there must be at least one load or herd."""
    parts = [*_sizes(loads), *_herds(herds), f'<p class="legend">{escape(LEGEND)}</p>']
    return plain_page("Fleets of hollow nodes", parts, _STYLE)


def _sizes(loads: Sequence[FleetLoad]) -> Iterable[str]:
    if not loads:
        return
    yield f"<h2>Sizes</h2>\n{curve_svg(loads)}"
    for load in sorted(loads, key=lambda load: load.size):
        verdict = judge_load(load)
        host = f"{load.server}, {load.accelerator or 'accelerator unknown'}"
        yield (
            f"<h2>{load.size} nodes, {load.twins} twins: "
            f"{'sustained' if verdict.passed else 'not sustained'} ({escape(host)})</h2>"
        )
        yield _problems(verdict.problems)
        yield _calls("API server", load.calls)
        yield _calls("datastore", load.datastore)


def _herds(herds: Sequence[HerdEvidence]) -> Iterable[str]:
    for herd in herds:
        verdict = judge_herd(herd)
        silent = (herd.woken - herd.silenced) / 1e9
        yield f"<h2>Herd of {len(herd.nodes)} nodes, silent for {silent:.0f} s</h2>"
        yield _problems((*verdict.problems, *verdict.evidence))
        rows = "".join(map(_row, verdict.measures))
        yield f"<table><tbody>{rows}</tbody></table>"
        yield _calls("API server", herd.calls)
        yield _calls("datastore", herd.datastore)


def _row(measure: Measure) -> str:
    title, value = escape(measure.title), escape(_value(measure))
    return f'<tr><th scope="row">{title}</th><td>{value}</td></tr>'


def _value(measure: Measure) -> str:
    if measure.value is None:
        return measure.reason
    return value_text(number_text(measure.value), measure.unit)


def _problems(lines: Sequence[str]) -> str:
    return "".join(f'<p class="problem">{escape(line)}</p>' for line in lines)


def _calls(title: str, calls: Sequence[Calls]) -> str:
    if not calls:
        return ""
    head = "".join(f"<th>{text}</th>" for text in (title, "N", "p50, ms", "p99, ms"))
    most = sorted(calls, key=lambda kind: -kind.count)[:MOST_KINDS]
    rows = "".join(
        f'<tr><th scope="row">{escape(kind.name)}</th><td>{kind.count}</td>'
        f"<td>{kind.p50_s * 1000:.1f}</td>"
        f"<td>{'≥ ' if kind.capped else ''}{kind.p99_s * 1000:.1f}</td></tr>"
        for kind in most
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
