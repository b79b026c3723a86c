"""What became of each accepted item: one narrow row, kept in the transaction of the ledger's entries that tell it.

All figures of the dashboard are counted from these rows, and so are the lists behind them. They
follow the ledger: whatever writes events need not know of them.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Table, bindparam, func, insert, update
from sqlmodel import Session, col

from connectors.store.watch_tables import JourneyRow
from domain.decision import Reason
from domain.delivery import Step
from domain.ledger import Entry, Event

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Journeys:
    """Collects what a transaction's entries tell of items, and writes it before the commit."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._begun: list[dict[str, Any]] = []
        self._spent: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self._decided: list[dict[str, Any]] = []

    def follow(self, entry: Entry) -> None:
        """One more entry; what concerns no item changes nothing."""
        item_id, facts = entry.item_id, entry.facts
        if item_id is None:
            return
        match entry.event:
            case Event.ACCEPTED:
                self._begun.append(_begun(item_id, entry))
            case Event.PROPOSED | Event.EXTRACTED if facts["calls"]:
                self._spend(item_id, prompt=facts["tokens"]["prompt"], completion=facts["tokens"]["completion"])
            case Event.ASK_FAILED:
                self._spend(item_id, retries=1)
            case Event.ATTEMPTED if facts["next"] == Step.DEAD_LETTER:
                self._spend(item_id, given_up=1)
            case Event.ATTEMPTED if facts["next"] != Step.DONE:
                self._spend(item_id, retries=1)
            case Event.DECIDED:
                self._decided.append(_decided(item_id, entry))
            case _:
                pass

    def keep(self) -> None:
        """Write what was collected: at most three statements, however many items it is about."""
        if self._begun:
            self._session.execute(insert(JourneyRow), self._begun)
        if self._spent:
            names = ("more_retries", "more_given_up", "more_prompt", "more_completion")
            spent = [{"of": item, **dict(zip(names, counts, strict=True))} for item, counts in self._spent.items()]
            self._session.connection().execute(_SPEND, spent)
        for batch in _each_once(self._decided):
            self._session.connection().execute(_DECIDE, batch)
        self._begun, self._decided = [], []
        self._spent.clear()

    def _spend(self, item_id: str, retries: int = 0, given_up: int = 0, prompt: int = 0, completion: int = 0) -> None:
        so_far = self._spent[item_id]
        more = (retries, given_up, prompt, completion)
        self._spent[item_id] = [mine + one for mine, one in zip(so_far, more, strict=True)]


def _each_once(decided: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """In batches that have each item once, in order: the decisions of one item follow each other."""
    batches: list[list[dict[str, Any]]] = []
    times: defaultdict[str, int] = defaultdict(int)
    for one in decided:
        at = times[one["of"]]
        times[one["of"]] += 1
        if at == len(batches):
            batches.append([])
        batches[at].append(one)
    return batches


def ms(at: datetime) -> int:
    """A moment in milliseconds since 1970, as journeys count time."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def moment_of(accepted_ms: int) -> datetime:
    """The moment that `ms` gave."""
    return _EPOCH + timedelta(milliseconds=accepted_ms)


def _begun(item_id: str, entry: Entry) -> dict[str, Any]:
    counts = dict.fromkeys(("retries", "given_up", "prompt_tokens", "completion_tokens"), 0)
    return {"item_id": item_id, "policy": entry.facts["policy"], "accepted_ms": ms(entry.at), **counts}


def _decided(item_id: str, entry: Entry) -> dict[str, Any]:
    facts, waits = entry.facts, entry.facts["waits"]
    proposed, route = facts["proposed"], facts["route"]
    return {
        "of": item_id,
        "its_kind": facts["kind"],
        "its_reason": facts["reason"],
        "its_route": route or (proposed if waits and facts["reason"] != Reason.AUDIT else None),
        "settled_ms": None if waits else ms(entry.at),
        "its_verdict": None if waits else facts["reason"],
        "same": None if waits else _as_proposed(facts),
    }


def _as_proposed(facts: dict[str, Any]) -> bool | None:
    """Whether a decision that stands is what was proposed: a route or action, or fields as they were found.

    None where nothing was proposed.
    """
    if facts["proposed"]:
        return bool(facts["route"] == facts["proposed"])
    return {Reason.COMPLETED.value: not facts["filled"], Reason.LEFT_OUT.value: False}.get(facts["reason"])


_TABLE: Table = JourneyRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it

_SPEND = (
    update(_TABLE)
    .where(col(JourneyRow.item_id) == bindparam("of"))
    .values(
        retries=col(JourneyRow.retries) + bindparam("more_retries"),
        given_up=col(JourneyRow.given_up) + bindparam("more_given_up"),
        prompt_tokens=col(JourneyRow.prompt_tokens) + bindparam("more_prompt"),
        completion_tokens=col(JourneyRow.completion_tokens) + bindparam("more_completion"),
    )
)

_DECIDE = (
    update(_TABLE)
    .where(col(JourneyRow.item_id) == bindparam("of"))
    .values(
        kind=func.coalesce(col(JourneyRow.kind), bindparam("its_kind")),
        reason=func.coalesce(col(JourneyRow.reason), bindparam("its_reason")),
        route=bindparam("its_route"),
        took_ms=bindparam("settled_ms", type_=BigInteger) - col(JourneyRow.accepted_ms),
        verdict=bindparam("its_verdict"),
        as_proposed=bindparam("same"),
    )
)
"""A first decision keeps its kind and reason; what follows it changes the rest."""
