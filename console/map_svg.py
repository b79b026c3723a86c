"""Draws a placed graph as SVG: no network, no fonts to fetch, light and dark."""

from collections.abc import Iterator
from xml.sax.saxutils import escape

from console.map_graph import Graph, Kind
from console.map_layout import CHAR, LINE, PAD, Box, Placed, Way

STYLE = """
svg{--ink:#1f2430;--soft:#5b6475;--line:#8a93a6;--paper:#fff;--step:#f2f4f8;--edge:#c8cfdb}
@media(prefers-color-scheme:dark){svg{--ink:#e8ebf2;--soft:#a5aec0;--line:#7d879b;--paper:#161a22;--step:#232937;--edge:#3d465a}
.trigger rect{fill:#12324a}.decide rect{fill:#4a3a10}.person rect{fill:#442041}.system rect{fill:#17402a}
.told rect{fill:#4a1f1f}.state rect{fill:#232c55}}
text{font-family:system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink)}
.paper{fill:var(--paper)}.heading{font-size:17px;font-weight:600}.title{font-size:13px;font-weight:600}
.note,.label{font-size:11px;fill:var(--soft)}.label{paint-order:stroke;stroke:var(--paper);stroke-width:5px}
.count{font-weight:700;fill:var(--ink)}rect{stroke-width:1.3;stroke:var(--edge);fill:var(--step)}
path{fill:none;stroke:var(--line);stroke-width:1.5}.dashed{stroke-dasharray:5 4}.tip{fill:var(--line);stroke:none}
"""
TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto-start-reverse"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>'
)
FILLS = {
    Kind.TRIGGER: "#e3f1fb",
    Kind.DECIDE: "#fdf1cf",
    Kind.PERSON: "#f8e4f4",
    Kind.SYSTEM: "#e0f4e8",
    Kind.TOLD: "#fde5e3",
    Kind.STATE: "#e6e9fb",
}


def svg(graph: Graph, placed: Placed, told: str) -> str:
    """The drawing; `told` stands under its title."""
    fills = "".join(f".{kind.value} rect{{fill:{fill}}}" for kind, fill in FILLS.items())
    width, height = max(placed.width, 480), placed.height
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    named = f'role="img" aria-label="{_quoted(graph.title)}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {named}>',
        f"<style>{fills}{STYLE}</style>",
        TIP,
        '<rect class="paper" stroke="none" width="100%" height="100%"/>',
        f'<text class="heading" x="24" y="32">{escape(graph.title)}</text>',
        f'<text class="note" x="24" y="50">{escape(told)}</text>',
        *(_path(way) for way in placed.ways),
        *(line for box in placed.boxes for line in _box(box)),
        *_labels(placed.ways),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _box(box: Box) -> Iterator[str]:
    node = box.node
    if node is None:
        return
    x, y = box.x - box.width / 2, box.y - box.height / 2
    round_ = box.height / 2 if node.kind in (Kind.STATE, Kind.TRIGGER) else 6
    yield f'<g class="{node.kind.value}">'
    size = f'width="{box.width:.1f}" height="{box.height:.1f}" rx="{min(round_, 22):.0f}"'
    yield f'<rect x="{x:.1f}" y="{y:.1f}" {size}/>'
    line = y + PAD * 0.75 + LINE - 4
    yield f'<text class="title" x="{box.x:.1f}" y="{line:.1f}" text-anchor="middle">{escape(node.title)}</text>'
    for number, note in enumerate(node.notes, start=1):
        at = line + number * LINE
        yield f'<text class="note" x="{box.x:.1f}" y="{at:.1f}" text-anchor="middle">{escape(note)}</text>'
    yield "</g>"


def _path(way: Way) -> str:
    """A smooth line: level through the columns that it passes, curved between them."""
    (x, y), *_ = way.points
    drawn = [f"M{x:.1f} {y:.1f}"]
    for index, (box, (to_x, to_y)) in enumerate(zip(way.boxes[1:], way.points[1:], strict=True), start=1):
        last = index == len(way.points) - 1
        enters = to_x if last else to_x - box.width / 2
        bend = (enters - x) / 2
        drawn.append(f"C{x + bend:.1f} {y:.1f} {enters - bend:.1f} {to_y:.1f} {enters:.1f} {to_y:.1f}")
        x, y = enters, to_y
        if not last:
            x = to_x + box.width / 2
            drawn.append(f"L{x:.1f} {y:.1f}")
    end = "start" if way.turned else "end"
    dashed = ' class="dashed"' if way.edge.dashed else ""
    return f'<path{dashed} marker-{end}="url(#tip)" d="{"".join(drawn)}"/>'


def _labels(ways: list[Way]) -> Iterator[str]:
    """What stands on the arrows, right beside where they begin, none over another."""
    taken: list[tuple[float, float, float]] = []
    for way in sorted((way for way in ways if way.label), key=lambda way: _begin(way)[1]):
        x, y = _begin(way)
        wide = len(way.label) * CHAR
        x = x - wide - 12 if way.turned else x + 12
        y -= 5
        while any(x < right and left < x + wide and abs(y - other) < LINE - 3 for left, right, other in taken):
            y += 3
        taken.append((x, x + wide, y))
        words, _, count = way.label.rpartition("\u00a0")
        text = escape(words if count.isdigit() else way.label)
        counted = f' <tspan class="count">{count}</tspan>' if count.isdigit() else ""
        yield f'<text class="label" x="{x:.1f}" y="{y:.1f}">{text}{counted}</text>'


def _begin(way: Way) -> tuple[float, float]:
    return way.points[-1] if way.turned else way.points[0]


def _quoted(text: str) -> str:
    return escape(text, {'"': "&quot;"})
