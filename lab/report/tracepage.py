"""The page of a start's trace: the picture, the steps by self time, the resources of the host."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from edge_lab.core.steprecord import Outcome
from edge_lab.evidence.steptimes import StepTimes, step_times
from edge_lab.evidence.trace import StartTrace
from edge_lab.handle.hostprocesses import HostProcess, mib_text
from edge_lab.report.matrixpage import matrix_page
from edge_lab.report.tracewaterfall import heading, seconds, waterfall_svg

MOST_STEPS = 60
"""Maximum rows of the table; the picture and the trace have all steps."""

LEGEND = (
    "Self time: the time in which none of the step's own steps was running. Critical path: at each "
    "moment, the running step that ends last, down to the innermost; these times add up "
    "to the whole start. Memory is the proportional set size (PSS) at the end of the start; "
    "CPU time is counted from the start of each process."
)


def slowest(times: Iterable[StepTimes]) -> list[StepTimes]:
    """Failed steps first, then by time on the critical path, then by self time."""
    return sorted(
        times, key=lambda found: (not found.step.failed, -found.critical_length, -found.own)
    )


def trace_html(trace: StartTrace) -> str:
    """The page; the trace must have at least one step."""
    times = slowest(step_times(trace.steps))
    parts = [waterfall_svg(trace), "<h2>Steps</h2>", _steps(times[:MOST_STEPS])]
    if len(times) > MOST_STEPS:
        parts.append(f"<p>and {len(times) - MOST_STEPS} shorter steps</p>")
    if trace.processes:
        parts += ["<h2>Processes on the host</h2>", _processes(trace.processes)]
    return matrix_page(heading(trace), "\n".join(parts), LEGEND)


def _steps(times: Sequence[StepTimes]) -> str:
    rows = []
    for found in times:
        step = found.step
        cells = (seconds(found.critical_length), seconds(found.own), seconds(step.length))
        figures = "".join(f"<td>{cell}</td>" for cell in (*cells, seconds(step.begin)))
        style = ' class="bad"' if step.failed else ""
        words = [f"in {found.around}"] if found.around else []
        if step.outcome is not Outcome.ENDED:
            words.append(f"{step.outcome.value}: {step.detail}".removesuffix(": "))
        name = f"{escape(step.title)}<small>{escape(' · '.join(words))}</small>"
        rows.append(f'<tr{style}><th scope="row">{name}</th>{figures}</tr>')
    return _table(("step", "on the critical path", "self", "total", "begins at"), rows)


def _processes(processes: Sequence[HostProcess]) -> str:
    rows = []
    for process in processes:
        memory = "".join(
            f"<td>{mib_text(mib)}</td>" for mib in (process.pss_mib, process.guest_mib)
        )
        cpu = "–" if process.cpu_seconds is None else f"{process.cpu_seconds:.1f} s"
        name = f"{escape(process.name)}<small>{escape(process.role.value)}</small>"
        rows.append(f'<tr><th scope="row">{name}</th>{memory}<td>{cpu}</td></tr>')
    all_memory = sum(process.pss_mib or 0.0 for process in processes)
    guests = sum(process.guest_mib or 0.0 for process in processes)
    all_cpu = sum(process.cpu_seconds or 0.0 for process in processes)
    figures = (f"{all_memory:.0f} MiB", f"{guests:.0f} MiB", f"{all_cpu:.1f} s")
    sums = "".join(f"<td><b>{figure}</b></td>" for figure in figures)
    rows.append(f'<tr><th scope="row">all</th>{sums}</tr>')
    return _table(("process", "host memory", "of it the guest's", "CPU time"), rows)


def _table(titles: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
