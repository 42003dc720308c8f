"""The page of pod starts, without scripts or external resources.

Ratios come first, as they depend on the stack. Absolute times depend on the host as well, so they
are shown with accelerator and load.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from edge_lab.oracles.scheduling.stages import Stage, StartTimes
from edge_lab.oracles.scheduling.statistics import Interval, Summary
from edge_lab.report.canvas import MUTED
from edge_lab.report.plainpage import plain_page
from edge_lab.report.startgroups import NamedRatio, StartGroup, grouped, shown
from edge_lab.report.startwaterfall import distribution_svg, waterfall_svg

_STYLE = f"""\
td.text {{ text-align: left; }}
td small, th small {{ display: block; color: {MUTED}; font-weight: normal; }}
.slower {{ background: #fdecec; }}
.faster {{ background: #e8f5ec; }}
"""

LEGEND = (
    "Bars: the medians of the stages in order; the line below each ends at its 90th percentile. "
    "Dashed: 5 s, the objective of Kubernetes for the 99th percentile, on machines that are "
    "not emulated. Times are in seconds; intervals are 95 % intervals. “<”: the stage is "
    "shorter than the clock error. Created, scheduled, Running and Ready are the times at which "
    "a watch on the host received them; the times between are the node's, with its clock "
    "corrected."
)


def starts_html(times: Iterable[StartTimes], ratios: Sequence[NamedRatio] = ()) -> str:
    """The page; there must be at least one start."""
    groups = grouped(times)
    parts = [
        _ratios(ratios) if ratios else "",
        f"<h2>Stages of a pod start</h2>\n{waterfall_svg(groups)}",
        f"<h2>Running after</h2>\n{distribution_svg(groups)}",
        f"<h2>From created to Running</h2>\n{_starts(groups)}",
        f"<h2>Stages, p50 and p90</h2>\n{_stages(groups)}",
        f'<p class="legend">{escape(LEGEND)}</p>',
    ]
    return plain_page("pod starts", parts, _STYLE)


def _ratios(ratios: Sequence[NamedRatio]) -> str:
    rows = "".join(map(_ratio_row, ratios))
    head = _head("node", "condition", "ratio", "95 % interval", "pairs", "difference")
    return f"<h2>Ratios</h2>\n<table>{head}<tbody>{rows}</tbody></table>"


def _ratio_row(named: NamedRatio) -> str:
    found = named.ratio
    style = ""
    if found.significant:
        style = "slower" if found.value > 1 else "faster"
    cells = (
        f'<td class="text">{escape(f"{named.condition} to {named.base}")}</td>',
        f'<td class="{style}"><b>{found.value:.2f}</b></td>',
        f"<td>{_interval(found.interval)}</td>",
        f"<td>{found.pairs}</td>",
        f'<td class="text">{"significant" if found.significant else "not significant"}</td>',
    )
    return f'<tr><th scope="row">{escape(named.node)}</th>{"".join(cells)}</tr>'


def _starts(groups: Sequence[StartGroup]) -> str:
    head = _head("pods", "N", "p50", "p90", "p99", "at most", "accelerator, host load")
    rows = "".join(_start_row(group) for group in groups)
    return f"<table>{head}<tbody>{rows}</tbody></table>"


def _start_row(group: StartGroup) -> str:
    start = group.startup
    cells = (
        f"<td>{start.count}</td>",
        f"<td><b>{shown(start.p50, start)}</b><small>{_interval(start.p50_interval)}</small></td>",
        f"<td>{shown(start.p90, start)}<small>{_interval(start.p90_interval)}</small></td>",
        f"<td>{shown(start.p99, start)}</td><td>{shown(start.most, start)}</td>",
        f'<td class="text">{escape(group.host)}</td>',
    )
    return f"<tr>{_name(group)}{''.join(cells)}</tr>"


def _stages(groups: Sequence[StartGroup]) -> str:
    head = _head("pods", *(stage.value for stage in Stage))
    rows = "".join(
        f"<tr>{_name(group)}{''.join(_stage_cell(group.stages[stage]) for stage in Stage)}</tr>"
        for group in groups
    )
    return f"<table>{head}<tbody>{rows}</tbody></table>"


def _stage_cell(sample: Summary) -> str:
    return f"<td>{shown(sample.p50, sample)}<small>{shown(sample.p90, sample)}</small></td>"


def _name(group: StartGroup) -> str:
    about = escape(f"{group.arch} · {group.runtime} · {group.condition}")
    return f'<th scope="row">{escape(group.node)}<small>{about}</small></th>'


def _head(*titles: str) -> str:
    cells = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    return f"<thead><tr>{cells}</tr></thead>"


def _interval(found: Interval | None) -> str:
    return "–" if found is None else f"{found.low:.2f} to {found.high:.2f}"
