"""Escalations: what people are told of, how often it was seen, who was told, who has acknowledged."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_
from sqlmodel import Session, col, select

from connectors.store.ledger import Ledger
from connectors.store.waiting import Place
from connectors.store.watch_tables import EscalationRow, NoticeRow
from domain.escalation import Cause, Course, Given, LadderStep, Matter, Topic, Why, escalation_id, lasts
from domain.ledger import Event


@dataclass(frozen=True)
class Standing:
    """An escalation that is not over, with its course so far."""

    row: EscalationRow
    course: Course

    @property
    def matter(self) -> Matter:
        """What a notice tells of it."""
        row = self.row
        return Matter(
            escalation_id=row.escalation_id, message=row.message, occurrences=row.occurrences, began_at=row.began_at
        )


class Escalations:
    """What somebody must know of, until somebody acknowledges it or its cause is gone."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    def begin(
        self,
        policy: str,
        cause: Cause,
        subject: str,
        message: str,
        now: datetime,
        *,
        item_id: str | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> str:
        """Begin an escalation; where one stands about the same, count this on it. Returns its id.

        Args:
            item_id: in whose story it is told; without one it has a story of its own.
        """
        for stands in self._about(cause, subject, policy):
            stands.occurrences, stands.last_at, stands.message = stands.occurrences + 1, now, message
            self._log(stands, Event.RECURRED, now, occurrences=stands.occurrences, message=message)
            return stands.escalation_id
        row = EscalationRow(
            escalation_id=escalation_id(policy, cause, subject, now),
            policy=policy,
            cause=cause.value,
            subject=subject,
            item_id=item_id,
            message=message,
            facts=dict(facts or {}),
            began_at=now,
            last_at=now,
        )
        self._session.add(row)
        self._session.flush()
        self._log(row, Event.ESCALATED, now, cause=cause.value, subject=subject, message=message, details=row.facts)
        return row.escalation_id

    def stands(self, policy: str, cause: Cause, subject: str) -> bool:
        """Whether an escalation about a subject is not over."""
        return bool(self._about(cause, subject, policy))

    def standing(self, policy: str) -> list[Standing]:
        """The escalations of a policy that are not over, acknowledged ones among them, the oldest first."""
        query = select(EscalationRow).where(EscalationRow.policy == policy, col(EscalationRow.closed_at).is_(None))
        rows = list(self._session.exec(query.order_by(col(EscalationRow.began_at), col(EscalationRow.subject))))
        given = self._given(policy)
        return [Standing(row, _course(row, given[row.escalation_id])) for row in rows]

    def waiting(self, policy: str | None = None) -> list[EscalationRow]:
        """Those that nobody has acknowledged, the oldest first."""
        query = select(EscalationRow).where(*NOT_TAKEN)
        query = query.where(EscalationRow.policy == policy) if policy else query
        return list(self._session.exec(query.order_by(col(EscalationRow.began_at), col(EscalationRow.subject))))

    def page(self, after: Place | None, count: int) -> list[EscalationRow]:
        """Up to `count` of those that nobody has acknowledged, after a place, the oldest first."""
        began_at, known = col(EscalationRow.began_at), col(EscalationRow.escalation_id)
        query = select(EscalationRow).where(*NOT_TAKEN).order_by(began_at, known).limit(count)
        if after:
            query = query.where(and_(began_at >= after[0], or_(began_at > after[0], known > after[1])))
        return list(self._session.exec(query))

    def count(self) -> int:
        """How many nobody has acknowledged."""
        return self._session.exec(select(func.count()).select_from(EscalationRow).where(*NOT_TAKEN)).one()

    def taken(self, count: int) -> list[EscalationRow]:
        """Up to `count` of those that somebody has acknowledged and that are not over, the latest first."""
        at = col(EscalationRow.acknowledged_at)
        query = select(EscalationRow).where(col(EscalationRow.closed_at).is_(None), at.is_not(None))
        return list(self._session.exec(query.order_by(at.desc(), col(EscalationRow.escalation_id)).limit(count)))

    def find(self, fragment: str) -> list[str]:
        """Ids that are, or begin with, `fragment`."""
        fits = col(EscalationRow.escalation_id).startswith(fragment, autoescape=True)
        return list(self._session.exec(select(EscalationRow.escalation_id).where(fits).limit(20)))

    def get(self, escalation_id: str) -> EscalationRow | None:
        """An escalation; None if there is none of that id."""
        return self._session.get(EscalationRow, escalation_id)

    def notices(self, escalation_id: str) -> list[NoticeRow]:
        """Who was told, in order."""
        query = select(NoticeRow).where(NoticeRow.escalation_id == escalation_id)
        return list(self._session.exec(query.order_by(col(NoticeRow.notice_id))))

    def notices_of(self, escalation_ids: Iterable[str]) -> dict[str, list[NoticeRow]]:
        """Who was told of each, in order."""
        query = select(NoticeRow).where(col(NoticeRow.escalation_id).in_(set(escalation_ids)))
        given: defaultdict[str, list[NoticeRow]] = defaultdict(list)
        for notice in self._session.exec(query.order_by(col(NoticeRow.notice_id))):
            given[notice.escalation_id].append(notice)
        return dict(given)

    def last_given(self, policy: str) -> dict[Topic, datetime]:
        """When a message of each topic last went out."""
        query = (
            select(EscalationRow.cause, NoticeRow.turn, func.max(NoticeRow.at))
            .join(NoticeRow, col(NoticeRow.escalation_id) == EscalationRow.escalation_id)
            .where(EscalationRow.policy == policy)
            .group_by(col(EscalationRow.cause), col(NoticeRow.turn))
        )
        return {(Cause(cause), turn): at for cause, turn, at in self._session.exec(query)}

    def gave(
        self,
        group: Sequence[EscalationRow],
        turn: int,
        step: LadderStep,
        told: Mapping[str, str | None],
        why: Why,
        now: datetime,
    ) -> None:
        """Record a notice that went out for each of a group as one message.

        Args:
            told: whom it was put in the outbox for, with the operation's id, or None for Prefect's
                event; empty when the step reached nobody.
        """
        reached = dict(told) or {step.to: None}
        for row in group:
            for to, operation_id in reached.items():
                self._session.add(
                    NoticeRow(
                        escalation_id=row.escalation_id,
                        turn=turn,
                        to=to,
                        by=step.by.value,
                        at=now,
                        operation_id=operation_id,
                        failed=not told,
                    )
                )
        facts = {"turn": turn, "to": list(reached), "by": step.by.value, "why": why.value, "others": len(group) - 1}
        event = Event.NOTIFIED if told else Event.NOTICE_FAILED
        self._ledger.append_all([(row.story, event, self._facts(row, **facts)) for row in group], now)

    def failed(self, operation_id: str, now: datetime) -> bool:
        """Record that a notice could not be delivered, so that the next step is due; False if it was none of ours."""
        notices = list(self._session.exec(select(NoticeRow).where(NoticeRow.operation_id == operation_id)))
        for notice in notices:
            notice.failed = True
            row = self._session.get_one(EscalationRow, notice.escalation_id)
            self._log(row, Event.NOTICE_FAILED, now, turn=notice.turn, to=[notice.to], by=notice.by, why="", others=0)
        return bool(notices)

    def acknowledge(self, escalation_id: str, by: str, now: datetime, proven: str = "claimed") -> bool:
        """Stop the ladder: `by` takes it over. False if it is over or somebody has done so before."""
        row = self._session.get(EscalationRow, escalation_id)
        if row is None or row.closed_at is not None or row.acknowledged_at is not None:
            return False
        row.acknowledged_at, row.acknowledged_by = now, by
        self._log(row, Event.ACKNOWLEDGED, now, by=by, proven=proven)
        return True

    def resolve(
        self,
        cause: Cause,
        subject: str,
        why: str,
        now: datetime,
        *,
        policy: str | None = None,
        by: str | None = None,
    ) -> int:
        """Close what stands about a subject, because its cause is gone; returns how many it were.

        Args:
            policy: only this one's.
            by: who made an end of it, which acknowledges it too.
        """
        rows = self._about(cause, subject, policy)
        for row in rows:
            if by is not None and row.acknowledged_at is None:
                row.acknowledged_at, row.acknowledged_by = now, by
            row.closed_at = now
            self._log(row, Event.RESOLVED, now, why=why)
        return len(rows)

    def close(self, row: EscalationRow, now: datetime) -> None:
        """End one that was acknowledged and whose cause did not come back; no news for its story."""
        row.closed_at = now

    def renew(self, row: EscalationRow, now: datetime) -> str:
        """Begin another about the same, because it went on; returns its id."""
        row.closed_at = now
        self._session.flush()
        cause, item_id = Cause(row.cause), row.item_id
        return self.begin(row.policy, cause, row.subject, row.message, now, item_id=item_id, facts=row.facts)

    def _about(self, cause: Cause, subject: str, policy: str | None) -> list[EscalationRow]:
        """What stands about a subject."""
        query = select(EscalationRow).where(
            EscalationRow.cause == cause.value,
            EscalationRow.subject == subject,
            col(EscalationRow.closed_at).is_(None),
        )
        return list(self._session.exec(query.where(EscalationRow.policy == policy) if policy else query))

    def _given(self, policy: str) -> defaultdict[str, list[NoticeRow]]:
        query = (
            select(NoticeRow)
            .join(EscalationRow, col(EscalationRow.escalation_id) == NoticeRow.escalation_id)
            .where(EscalationRow.policy == policy, col(EscalationRow.closed_at).is_(None))
            .order_by(col(NoticeRow.notice_id))
        )
        given: defaultdict[str, list[NoticeRow]] = defaultdict(list)
        for notice in self._session.exec(query):
            given[notice.escalation_id].append(notice)
        return given

    def _facts(self, row: EscalationRow, **facts: Any) -> dict[str, Any]:
        return {"escalation": row.escalation_id, **facts}

    def _log(self, row: EscalationRow, event: Event, now: datetime, **facts: Any) -> None:
        self._ledger.append(row.story, event, now, **self._facts(row, **facts))


NOT_TAKEN = (col(EscalationRow.closed_at).is_(None), col(EscalationRow.acknowledged_at).is_(None))
"""Nobody has acknowledged it, and it is not over."""


def _course(row: EscalationRow, notices: Sequence[NoticeRow]) -> Course:
    """A turn has failed when everybody whom it was for was missed."""
    turns: defaultdict[int, list[NoticeRow]] = defaultdict(list)
    for notice in notices:
        turns[notice.turn].append(notice)
    given = tuple(
        Given(at=turns[turn][0].at, failed=all(notice.failed for notice in turns[turn])) for turn in sorted(turns)
    )
    return Course(
        began_at=row.began_at,
        last_at=row.last_at,
        given=given,
        acknowledged_at=row.acknowledged_at,
        lasts=lasts(Cause(row.cause)),
    )
