"""Pages of headings, tables and pictures, without scripts or external resources."""

from __future__ import annotations

from collections.abc import Iterable

from edge_lab.report.canvas import INK, MUTED

_STYLE = f"""
body {{ margin: 12px; background: #fff; color: {INK};
  font: 13px/1.45 "DejaVu Sans", Helvetica, Arial, sans-serif; }}
h2 {{ font-size: 15px; margin: 20px 0 6px; }}
table {{ border-collapse: collapse; margin-bottom: 8px; }}
th, td {{ border: 1px solid #b8c2cc; padding: 4px 8px; text-align: right; white-space: nowrap; }}
th {{ background: #f4f6f8; }}
th[scope=row] {{ text-align: left; }}
.legend {{ color: {MUTED}; max-width: 1150px; }}
svg {{ max-width: 100%; height: auto; }}
"""


def plain_page(title: str, parts: Iterable[str], style: str = "") -> str:
    """The page; `style` is added to the common style. Empty parts are omitted."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title><style>{_STYLE}{style}</style></head>\n<body>"
        + "\n".join(part for part in parts if part)
        + "</body></html>\n"
    )
