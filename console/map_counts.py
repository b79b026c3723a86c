"""What went along each arrow of a workflow in a stretch of time, told from the ledger."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from console.map_graph import Graph
from domain.delivery import Step
from domain.ledger import Entry, Event

DECIDED = {"auto": "auto", "rule": "by_rule", "reject": "rejected", "human": "answered"}


def counts_of(graph: Graph, entries: Iterable[tuple[Entry, str]], sources: Mapping[str, int]) -> Counter[str]:
    """How often each of the graph's counts happened.

    Args:
        entries: of the workflow and the time, each with the kind of record that it is about, if it is about one.
        sources: how many items each source brought; those of no trigger that is drawn are the others'.
    """
    known = {edge.counts for edge in graph.edges}
    found = Counter(name for entry, kind in entries for name in _counted(entry, kind))
    for source, count in sources.items():
        found[f"from:{source}" if f"from:{source}" in known else "from:"] += count
    return found


def _counted(entry: Entry, kind: str) -> Iterator[str]:
    facts = entry.facts
    match entry.event:
        case Event.ACCEPTED:
            yield "accepted"
        case Event.DECIDED:
            yield "to_person" if facts["waits"] else DECIDED[facts["kind"]]
        case Event.ATTEMPTED if facts["next"] == Step.DONE and not facts.get("moved"):
            yield f"written:{kind}.{facts['destination']}" if kind else f"written:{facts['destination']}"
        case Event.ESCALATED:
            yield "escalated"
        case Event.CASE_MOVED:
            yield f"{facts['from']}>{facts['to']}"
        case _:
            return
