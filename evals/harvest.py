"""What people decided becomes labelled items: `evals harvest`.

Only `audit` answers are a fair sample of what is routed automatically. The others were asked
because something was doubtful, and their reviewers saw the proposal: good as examples and to
learn from, but a threshold that is proven on them is proven for another kind of traffic. Hence
each item says how it came about.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from connectors.store.engine import Transaction
from domain.audit import Answered
from domain.decision import Reason
from domain.errors import InputInvalid
from domain.item import InboundItem
from domain.ledger import Entry
from domain.proposal import NONE_OF_THESE
from domain.review import ReviewKind
from evals.items import Item
from policies.cases import CasePolicy
from policies.load import Workflow
from policies.situations import headed

LEFT_OUT = {
    ReviewKind.FIELDS: "about fields, which have no label: measure them with 'evals extract'",
    ReviewKind.DUPLICATE: "about duplicates, of which the classifier says nothing",
    ReviewKind.CONFLICT: "about records that systems keep, which nobody classifies",
    ReviewKind.LINK: "about records that systems keep, which nobody classifies",
}
"""Why answers of a kind become no items."""

NO_CASE = "about events of no case, which have no state to be classified in"

Moves = Sequence[tuple[Entry, InboundItem]]
"""What happened to a case, each move with its event, the oldest first."""


@dataclass(frozen=True)
class Harvest:
    """Labelled items, and by its reason how many answers became none."""

    items: list[Item]
    left_out: dict[str, int]


def collect(tx: Transaction, workflow: Workflow) -> Harvest:
    """What people's answers under a workflow come to."""
    name = workflow.policy.name
    left = Counter({LEFT_OUT[kind]: n for kind, n in tx.reviews.answered_by_kind(name).items() if kind in LEFT_OUT})
    rows = tx.reviews.answers(name)
    if (cases := workflow.cases) is None:
        return Harvest(harvest(rows), dict(left))
    moves = {row.item_id: tx.cases.until(row.item_id) for row in rows}
    left[NO_CASE] = sum(not moved for moved in moves.values())
    events = {row.item_id: event_of(cases, moves[row.item_id]) for row in rows if moves[row.item_id]}
    items = [
        item.model_copy(update={"text": events[item.id].text, "fields": events[item.id].fields | item.fields})
        for item in harvest(row for row in rows if row.item_id in events)
    ]
    return Harvest(items, dict(+left))


def harvest(rows: Iterable[Answered]) -> list[Item]:
    """A labelled item for each answered review, the oldest answer first.

    Its fields say `how` it came about (`audit`, `override`, `approval` or `dismissal`), what
    was `proposed` (empty for nothing), and `at` which date it was answered.
    """
    return [
        Item(
            id=row.item_id,
            text=row.text,
            label=row.answer,
            fields={"how": _how(row), "proposed": row.proposed or "", "at": row.at.date().isoformat()},
        )
        for row in sorted(rows, key=lambda row: (row.at, row.item_id))
    ]


def event_of(policy: CasePolicy, moves: Moves) -> InboundItem:
    """The event of the last move as it met its case, in the form of the examples and of `evals run`.

    Its fields say `event` and `state`, how often which event was `seen_` and which action `done_` before,
    what the case's events said before, and what this one says.
    """
    *before, (last, item) = moves
    said: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for move, earlier in before:
        counts[f"seen_{move.facts['after']}"] += 1
        if action := move.facts["action"]:
            counts[f"done_{action}"] += 1
            said |= _own(policy, move, earlier)
    event, state = last.facts["after"], last.facts["from"]
    told = {"event": event, "state": state, **{name: str(count) for name, count in counts.items()}}
    fields = said | _own(policy, last, item) | told
    return item.model_copy(update={"text": headed(event, state, item.text), "fields": fields})


def _own(policy: CasePolicy, move: Entry, item: InboundItem) -> dict[str, str]:
    """What an event of a known kind says in its own fields."""
    kind = policy.events.get(move.facts["after"])
    return {name: item.fields[name] for name in (kind.fields if kind else ()) if name in item.fields}


def write_cases(items: Sequence[Item], path: Path) -> tuple[int, int]:
    """Append the items whose ids are not in the JSON Lines file `path` yet, making it and its folder.

    Returns how many were written, and how many were known already.

    Raises:
        InputInvalid: the file cannot be read, or holds a line that is no item; nothing is written.
    """
    text = _text(path)
    known = {_id(path, number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()}
    fresh = list({item.id: item for item in items if item.id not in known}.values())
    if fresh:
        path.parent.mkdir(parents=True, exist_ok=True)
        start = "\n" if text and not text.endswith("\n") else ""
        lines = "".join(item.model_dump_json(exclude_none=True) + "\n" for item in fresh)
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(start + lines)
    return len(fresh), len(items) - len(fresh)


def _how(row: Answered) -> str:
    if row.why is Reason.AUDIT:
        return "audit"
    if row.answer == NONE_OF_THESE:
        return "dismissal"
    return "approval" if row.answer == row.proposed else "override"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as exc:
        raise InputInvalid(f"{path}: cannot be read ({exc}). Name a JSON Lines file in UTF-8.") from exc


def _id(path: Path, number: int, line: str) -> str:
    try:
        return Item.model_validate_json(line).id
    except ValidationError as exc:
        raise InputInvalid(f"{path}:{number}: not an item. Mend the line, or name another file.") from exc
