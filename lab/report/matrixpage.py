"""The common parts of pages with a matrix, without scripts or external resources."""

from __future__ import annotations

from html import escape

STYLE = """
body { margin: 12px; background: #fff; color: #1f2933;
  font: 13px/1.45 "DejaVu Sans", Helvetica, Arial, sans-serif; }
table { border-collapse: collapse; }
th, td { border: 1px solid #b8c2cc; padding: 4px 8px; text-align: left; vertical-align: top; }
thead th { background: #dfe5ec; position: sticky; top: 0; max-width: 110px; font-size: 11px; }
tbody th { background: #f4f6f8; white-space: nowrap; position: sticky; left: 0; }
h2 { font-size: 15px; margin: 18px 0 6px; }
tbody th small { display: block; color: #6b7785; font-weight: normal; }
summary { cursor: pointer; white-space: nowrap; }
summary small { display: block; color: #6b7785; }
pre { font-size: 11px; max-width: 420px; white-space: pre-wrap; overflow-wrap: anywhere; }
.pass { background: #e8f5ec; }
.pass b { color: #2f855a; }
.bad { background: #fdecec; }
.bad b { color: #c53030; }
.unknown { background: #fdf3dc; }
.unknown b { color: #975a16; }
.none, .legend { color: #6b7785; }
"""


def matrix_page(title: str, tables: str, legend: str) -> str:
    """A complete page; `tables` is markup."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>"
        f'{tables}<p class="legend">{escape(legend)}</p></body></html>\n'
    )


def details(word: str, below: str, record: str) -> str:
    """The content of a cell: a word, a line below it, and the evidence when it is opened."""
    return (
        f"<details><summary><b>{escape(word)}</b>"
        f"<small>{escape(below)}</small></summary>"
        f"<pre>{escape(record)}</pre></details>"
    )
