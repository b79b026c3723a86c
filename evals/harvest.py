"""What people decided becomes labelled items: `evals harvest`.

Only `audit` answers are a fair sample of what is routed automatically. The others were asked
because something was doubtful, and their reviewers saw the proposal: good as examples and to
learn from, but a threshold that is proven on them is proven for another kind of traffic. Hence
each item says how it came about.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from domain.audit import Answered
from domain.decision import Reason
from domain.errors import InputInvalid
from domain.proposal import NONE_OF_THESE
from evals.items import Item


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
