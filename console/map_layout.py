"""Places a graph from left to right: layers by the longest way, few crossings, arrows that go around boxes."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from console.map_graph import Edge, Graph, Node

CHAR, TITLE_CHAR, LINE, PAD = 6.3, 7.4, 16.0, 12.0
"""Pixels of a letter of notes and labels, of a letter of a title, of a line, and around a box's text."""
GAP, ROW, MARGIN, HEADING = 56.0, 26.0, 24.0, 44.0
PORT = 17.0
"""Pixels between two arrows at one side of a box: room for a label."""
SWEEPS = 12


@dataclass
class Box:
    """A node, or a point on a long arrow's way where `node` is None; its middle is at `x`, `y`."""

    key: str
    layer: int
    node: Node | None = None
    width: float = 0.0
    height: float = 10.0
    x: float = 0.0
    y: float = 0.0


@dataclass
class Way:
    """An arrow's way from box to box; `turned` where it is drawn against the direction of layers."""

    edge: Edge
    boxes: list[Box]
    label: str
    turned: bool
    points: list[tuple[float, float]] = field(default_factory=list)


@dataclass
class Placed:
    """A graph with its places; all in pixels."""

    boxes: list[Box]
    ways: list[Way]
    width: float
    height: float


def place(graph: Graph, labels: dict[Edge, str]) -> Placed:
    """Where everything goes; `labels` are what stands on the arrows, and takes its place between the layers."""
    edges = [(edge, turned) for edge, turned in _acyclic(graph)]
    layers = _layers(graph, edges)
    boxes = {node.id: _box(node, layers[node.id]) for node in graph.nodes}
    ways = [_way(edge, turned, boxes, labels[edge]) for edge, turned in edges]
    for arrows in (Counter(way.boxes[0].key for way in ways), Counter(way.boxes[-1].key for way in ways)):
        for key, count in arrows.items():
            boxes[key].height = max(boxes[key].height, PORT * count)
    columns: dict[int, list[Box]] = defaultdict(list)
    for box in [*boxes.values(), *(box for way in ways for box in way.boxes[1:-1])]:
        columns[box.layer].append(box)
    ordered = [columns[layer] for layer in sorted(columns)]
    _order(ordered, ways)
    height = _rows(ordered, ways)
    width = _columns(ordered, ways)
    for way in ways:
        way.points = [(box.x, box.y) for box in way.boxes]
    _ports(ways)
    return Placed(list(boxes.values()), ways, width, height)


def _acyclic(graph: Graph) -> list[tuple[Edge, bool]]:
    """The edges, each with whether it leads back to where one came from."""
    out: dict[str, list[Edge]] = defaultdict(list)
    for edge in graph.edges:
        out[edge.source].append(edge)
    state: dict[str, int] = {}
    turned: set[Edge] = set()

    def visit(node: str) -> None:
        state[node] = 1
        for edge in out[node]:
            if state.get(edge.target) == 1:
                turned.add(edge)
            elif edge.target not in state:
                visit(edge.target)
        state[node] = 2

    for node in graph.nodes:
        if node.id not in state:
            visit(node.id)
    return [(edge, edge in turned) for edge in graph.edges]


def _layers(graph: Graph, edges: Sequence[tuple[Edge, bool]]) -> dict[str, int]:
    """The longest way to each node; whoever only leads on stands right before what it leads to."""
    layers = dict.fromkeys((node.id for node in graph.nodes), 0)
    ahead = [(edge.target, edge.source) if turned else (edge.source, edge.target) for edge, turned in edges]
    for _ in graph.nodes:
        for source, target in ahead:
            layers[target] = max(layers[target], layers[source] + 1)
    entered = {target for _, target in ahead}
    for node in layers:
        if node not in entered and (next_ones := [layers[target] for source, target in ahead if source == node]):
            layers[node] = min(next_ones) - 1
    return layers


def _box(node: Node, layer: int) -> Box:
    width = max(len(node.title) * TITLE_CHAR, *(len(note) * CHAR for note in node.notes), 60.0) + 2 * PAD
    return Box(node.id, layer, node, width, LINE * (1 + len(node.notes)) + 1.5 * PAD)


def _way(edge: Edge, turned: bool, boxes: dict[str, Box], label: str) -> Way:
    first, last = (edge.target, edge.source) if turned else (edge.source, edge.target)
    begin, end = boxes[first], boxes[last]
    between = [Box(f"{first}|{last}|{edge.label}|{layer}", layer) for layer in range(begin.layer + 1, end.layer)]
    return Way(edge, [begin, *between, end], label, turned)


def _order(columns: list[list[Box]], ways: Sequence[Way]) -> None:
    """Order each column by where its neighbours stand, back and forth."""
    near: dict[int, dict[str, list[Box]]] = {-1: defaultdict(list), 1: defaultdict(list)}
    for way in ways:
        for left, right in pairwise(way.boxes):
            near[1][left.key].append(right)
            near[-1][right.key].append(left)
    rank = {box.key: float(index) for column in columns for index, box in enumerate(column)}
    for sweep in range(SWEEPS):
        side = -1 if sweep % 2 == 0 else 1
        for column in columns if side == -1 else columns[::-1]:

            def middle(box: Box, side: int = side) -> float:
                there = near[side][box.key]
                return sum(rank[one.key] for one in there) / len(there) if there else rank[box.key]

            column.sort(key=middle)
            for index, box in enumerate(column):
                rank[box.key] = index - (len(column) - 1) / 2


def _rows(columns: list[list[Box]], ways: Sequence[Way]) -> float:
    """Heights: beside one's neighbours, and never over another; returns the drawing's."""
    near: dict[str, list[Box]] = defaultdict(list)
    for way in ways:
        for left, right in pairwise(way.boxes):
            near[left.key].append(right)
            near[right.key].append(left)
    for column in columns:
        at = 0.0
        for box in column:
            box.y = at + box.height / 2
            at += box.height + ROW
        for box in column:
            box.y -= at / 2
    for _ in range(SWEEPS * 3):
        for column in columns:
            for box in column:
                if there := near[box.key]:
                    box.y += (sum(one.y for one in there) / len(there) - box.y) / 2
            _part(column)
    top = min(box.y - box.height / 2 for column in columns for box in column)
    for column in columns:
        for box in column:
            box.y += MARGIN + HEADING - top
    return max(box.y + box.height / 2 for column in columns for box in column) + MARGIN


def _part(column: list[Box]) -> None:
    """Push boxes apart that come too near, half up and half down."""
    for _ in range(8):
        for upper, lower in pairwise(column):
            lap = upper.y + upper.height / 2 + ROW - (lower.y - lower.height / 2)
            if lap > 0:
                upper.y -= lap / 2
                lower.y += lap / 2
    for upper, lower in pairwise(column):
        lower.y = max(lower.y, upper.y + (upper.height + lower.height) / 2 + ROW)


def _columns(columns: list[list[Box]], ways: Sequence[Way]) -> float:
    """From left to right, with room for what stands on the arrows; returns the drawing's width."""
    room: dict[int, float] = defaultdict(float)
    for way in ways:
        gap = way.boxes[-2].layer if way.turned else way.boxes[0].layer
        room[gap] = max(room[gap], len(way.label) * CHAR)
    at = MARGIN
    for column in columns:
        width = max(box.width for box in column)
        for box in column:
            box.x = at + width / 2
            if box.node is None:
                box.width = width
        at += width + GAP + room[column[0].layer]
    return at - GAP - room[columns[-1][0].layer] + MARGIN


def _ports(ways: Sequence[Way]) -> None:
    """Let arrows leave and enter a box one below the other."""
    leaving: dict[str, list[Way]] = defaultdict(list)
    entering: dict[str, list[Way]] = defaultdict(list)
    for way in ways:
        leaving[way.boxes[0].key].append(way)
        entering[way.boxes[-1].key].append(way)
    for sides, end, other, sign in ((leaving, 0, 1, 1), (entering, -1, -2, -1)):
        for there in sides.values():
            box = there[0].boxes[end]
            there.sort(key=lambda way: way.boxes[other].y)
            step = min(18.0, (box.height - 12) / max(1, len(there) - 1))
            for index, way in enumerate(there):
                x = box.x + sign * box.width / 2
                way.points[end] = (x, box.y + (index - (len(there) - 1) / 2) * step)
