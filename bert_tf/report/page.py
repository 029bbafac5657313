"""What reports are made of: one HTML page that needs no server and loads nothing."""

import base64
import dataclasses
import html
import io
from collections.abc import Collection, Iterable, Sequence

import matplotlib.figure

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; color: #222; }
h2 { margin-top: 2.5rem; }
nav { color: #777; }
nav a { color: #2563a8; text-decoration: none; margin-right: 1rem;
        white-space: nowrap; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: left;
         vertical-align: top; overflow-wrap: break-word; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums;
                       white-space: nowrap; }
img { max-width: 100%; }
mark { background: #ffe9a8; padding: 0 .2rem; color: inherit; }
mark.gold, mark.predicted { padding: 0; }
mark.gold { background: none; border-bottom: 3px double #0a7a2f; }
mark.predicted { background: #ffe9a8; }
mark.found, mark.right, mark.wrong, mark.missed { padding: 0 .25rem;
    border-radius: .25rem; font-weight: inherit; color: inherit;
    -webkit-box-decoration-break: clone; box-decoration-break: clone; }
mark.found, mark.right { background: #eef7f0; border: 1px solid #0a7a2f; }
mark.wrong { background: #fdf0ef; border: 2px dashed #b3261e; }
mark.missed { background: #fff8e6; border: 2px dotted #8a6100; }
mark small { color: #555; white-space: nowrap; }
.right { color: #0a7a2f; font-weight: 600; }
.wrong { color: #b3261e; font-weight: 600; }
.pale { color: #777; }
.id { color: #777; font-size: .8rem; overflow-wrap: anywhere; }
.side { display: flex; flex-wrap: wrap; gap: 0 2rem; align-items: flex-start; }
.card .side > div { flex: 1 1 20rem; min-width: 0; }
.card { border-top: 1px solid #ddd; padding: .7rem 0; }
.card p { margin: .2rem 0; }
.card p, .card td { line-height: 1.6; }
.card table { margin: .3rem 0; }
.card td { border: 0; padding: 0 .8rem 0 0; }
.bar { display: inline-block; width: 5rem; height: .6rem; background: #eee; }
.bar span { display: block; height: 100%; background: #9db8d9; }
pre { background: #f6f6f6; padding: 1rem; overflow-x: auto; }
"""


class Html(str):
    """Text that is HTML already. Any other text is escaped where it is put in."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        heading: "" for none.
        content: below it.
    """

    heading: str
    content: Html


def escape(text: str) -> Html:
    """Text as HTML that shows it; HTML as it is."""
    if isinstance(text, Html):
        return text
    # Half of a surrogate pair can be in a Python text, but in no file.
    return Html(html.escape(text.encode("utf-8", "replace").decode()))


def join(parts: Iterable[str], separator: str = "") -> Html:
    """Texts one after another."""
    return Html(escape(separator).join(escape(part) for part in parts))


def tag(name: str, *contents: str, kind: str = "") -> Html:
    """An element: `tag("b", "a < b", kind="pale")` is `<b class="pale">a &lt; b</b>`.

    Args:
        name: of the element.
        *contents: texts inside it.
        kind: its CSS class.
    """
    attribute = f' class="{kind}"' if kind else ""
    return Html(f"<{name}{attribute}>{join(contents)}</{name}>")


def note(*texts: str) -> Html:
    """A pale paragraph that says how to read what stands beside it."""
    return tag("p", *texts, kind="pale")


def table(
    head: Sequence[str] | None,
    rows: Sequence[Sequence[str]],
    numbers: Collection[int] = (),
) -> Html:
    """A table.

    Args:
        head: names of the columns; None: there are none.
        rows: of cells.
        numbers: the columns that are aligned at the right.
    """

    def line(name: str, cells: Sequence[str]) -> Html:
        kinds = ["number" if i in numbers else "" for i in range(len(cells))]
        return tag(
            "tr",
            *(tag(name, c, kind=k) for c, k in zip(cells, kinds, strict=True)),
        )

    lines = [] if head is None else [line("th", head)]
    return tag("table", *lines, *(line("td", row) for row in rows))


def bar(share: float) -> Html:
    """A bar for a table's cell; the number is to stand beside it."""
    width = 100 * min(max(share, 0.0), 1.0)
    return Html(f'<span class="bar"><span style="width:{width:.0f}%"></span></span>')


def side_by_side(parts: Iterable[Html]) -> Html:
    """Parts beside each other where the window is wide enough."""
    return tag("div", *(tag("div", part) for part in parts), kind="side")


def picture(figure: matplotlib.figure.Figure, description: str) -> Html:
    """A figure, inside the page.

    Args:
        figure: what is shown.
        description: said to those who do not see it.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    source = f"data:image/png;base64,{encoded}"
    return Html(f'<img alt="{escape(description)}" src="{source}">')


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole page, with links to the sections if there are many."""
    headings = [section.heading for section in sections if section.heading]
    parts = []
    if len(headings) > 3:
        links = [
            Html(f'<a href="#part{place}">{escape(heading)}</a>')
            for place, heading in enumerate(headings)
        ]
        parts.append(tag("nav", join(links, " ")))
    place = 0
    for section in sections:
        if section.heading:
            parts.append(Html(f'<h2 id="part{place}">{escape(section.heading)}</h2>'))
            place += 1
        parts.append(section.content)
    name = escape(title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{name}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{name}</h1>{''.join(parts)}</body></html>\n"
    )
