"""A workflow's graph as Mermaid text, for pages and editors that draw it."""

import re

from console.map_graph import Edge, Graph, Kind, Node

SHAPES = {
    Kind.TRIGGER: ('(["', '"])'),
    Kind.DECIDE: ('{"', '"}'),
    Kind.PERSON: ('[/"', '"/]'),
    Kind.SYSTEM: ('[("', '")]'),
    Kind.STATE: ('("', '")'),
    Kind.TOLD: ('>"', '"]'),
}


def mermaid(graph: Graph, labels: dict[Edge, str]) -> str:
    """The flowchart; what stands on its arrows is in `labels`."""
    names = {node.id: f"n{index}" for index, node in enumerate(graph.nodes)}
    lines = ["---", f"title: {_plain(graph.title)}", "---", "flowchart LR"]
    lines += [f"  {names[node.id]}{_shape(node)}" for node in graph.nodes]
    for edge in graph.edges:
        arrow = "-.->" if edge.dashed else "-->"
        label = f'|"{_plain(labels[edge])}"|' if labels[edge] else ""
        lines.append(f"  {names[edge.source]} {arrow}{label} {names[edge.target]}")
    return "\n".join(lines) + "\n"


def _shape(node: Node) -> str:
    begin, end = SHAPES.get(node.kind, ('["', '"]'))
    return begin + "<br>".join(map(_plain, (node.title, *node.notes))) + end


def _plain(text: str) -> str:
    """Without what Mermaid would take for its own."""
    return re.sub(r'["<>|{}\[\]#;]', " ", text).replace("\u00a0", " ")
