"""Recorded proposals on labelled items: what every question after the first is answered from."""

from pathlib import Path

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from domain.decision import RuleMatch
from domain.errors import InputInvalid
from domain.proposal import AskOutcome, Proposal
from domain.values import Frozen
from evals.items import Item

UNSCORED = frozenset({AskOutcome.UNAVAILABLE, AskOutcome.TIMED_OUT, AskOutcome.THROTTLED, AskOutcome.REFUSED})
"""Outcomes that say something of an endpoint's day, not of the classifier."""


class Row(Frozen):
    """An item with the proposal that was made on it.

    Attributes:
        rule: the first of the policy's rules that matched, if any.
    """

    item: Item
    proposal: Proposal
    rule: RuleMatch | None = None

    @property
    def unscored(self) -> bool:
        """Whether asking failed for a reason that has nothing to do with the item."""
        return self.proposal.outcome in UNSCORED


class Run(Frozen):
    """A whole run, as kept in a file: the first line is this without its rows, each other line a row."""

    policy: str
    reference: str
    model: str
    classifier: str
    parts: dict[str, str] = Field(default_factory=dict)
    data: str
    made_at: AwareDatetime
    rows: tuple[Row, ...] = ()

    @property
    def scored(self) -> list[Row]:
        """The rows that say something of the classifier."""
        return [row for row in self.rows if not row.unscored]

    def save(self, path: Path) -> None:
        """Write the run to `path`, making its folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [self.model_dump_json(exclude={"rows"}), *(row.model_dump_json() for row in self.rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


_ROWS = TypeAdapter(tuple[Row, ...])


def load_run(path: Path) -> Run:
    """The run in `path`.

    Raises:
        InputInvalid: there is none, or it was cut off.
    """
    try:
        head, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")  # others may stand in a text
        run = Run.model_validate_json(head)
        return run.model_copy(update={"rows": _ROWS.validate_json(f"[{','.join(lines)}]")})
    except FileNotFoundError as exc:
        raise InputInvalid(f"{path}: no such run. Make one with 'evals run POLICY --data FILE --out {path}'.") from exc
    except (ValueError, ValidationError, UnicodeDecodeError) as exc:
        raise InputInvalid(f"{path}: not a whole run of 'evals run'. Make it again.") from exc
