"""The page of a story: one verdict, a picture on one time axis, and the details as tables.

In the picture, people are on top, then the faults, then each part of the system with its verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from edge_lab.report.canvas import MUTED
from edge_lab.report.plainpage import plain_page
from edge_lab.report.story import Part, Story
from edge_lab.report.storypicture import story_svg

_STYLE = f"""\
td.text {{ text-align: left; white-space: normal; max-width: 900px; }}
.passed {{ color: #1d6b3c; }}
.failed {{ color: #9b2c2c; }}
h1 {{ font-size: 18px; margin: 4px 0; }}
p.about {{ color: {MUTED}; margin: 2px 0 10px; }}
ul {{ margin: 4px 0 10px; padding-left: 20px; }}
"""


def story_html(story: Story) -> str:
    """The page as HTML, without scripts or external resources."""
    style = _style(story.passed)
    head = (
        f'<h1>{escape(story.title)}: <span class="{style}">{style}</span></h1>'
        f'<p class="about">{escape(story.about)}</p>'
    )
    parts = [
        head,
        _listed("Problems", story.problems),
        story_svg(story),
        f"<h2>Parts</h2>\n{_parts(story.parts)}",
        f"<h2>What people did</h2>\n{_actions(story)}",
        f"<h2>What the plan broke</h2>\n{_faults(story)}",
        _listed("Left out of the plan", story.left_out),
    ]
    return plain_page(escape(story.title), parts, _STYLE)


def _style(passed: bool) -> str:
    return "passed" if passed else "failed"


def _listed(title: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>{title}</h2>\n<ul>{items}</ul>" if lines else ""


def _parts(parts: Sequence[Part]) -> str:
    rows = (
        (part.name, f'<b class="{_style(part.passed)}">{_style(part.passed)}</b>', part.said)
        for part in parts
    )
    return _table(
        ("part", "verdict", "what was seen"),
        (f"{_name(name)}<td>{verdict}</td>{_text(said)}" for name, verdict, said in rows),
    )


def _actions(story: Story) -> str:
    return _table(
        ("after", "what", ""),
        (
            f"{_name(_after(story, action.time))}{_text(action.label)}{_text(action.hint)}"
            for action in story.actions
        ),
    )


def _faults(story: Story) -> str:
    def row(number: int) -> str:
        record = story.faults[number]
        healed = "not healed" if record.healed is None else _after(story, record.healed)
        return (
            f"{_name(_after(story, record.began))}<td>{healed}</td>"
            f"{_text(record.fault.title)}{_text(record.proof)}{_text(record.cure)}"
        )

    return _table(
        ("after", "healed", "fault", "proof", "recovery"), map(row, range(len(story.faults)))
    )


def _after(story: Story, time: int) -> str:
    """Minutes and seconds from the beginning."""
    seconds = round((time - story.span.start) / 1e9)
    sign = "-" if seconds < 0 else ""
    return f"{sign}{abs(seconds) // 60}:{abs(seconds) % 60:02d}"


def _table(titles: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _name(text: str) -> str:
    return f'<th scope="row">{escape(text)}</th>'


def _text(text: str) -> str:
    return f'<td class="text">{escape(text)}</td>'
