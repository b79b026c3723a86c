"""Records that are not as they should be beside others: doubled, without a partner, left out, refused."""

from sqlalchemy import ColumnElement, and_, not_, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from connectors.store.crosswalk_rows import Of, of_kind
from connectors.store.crosswalk_tables import EntityRow, KeyRow, RecordRow
from connectors.store.tables import ReviewRow
from domain.linking import Apart
from domain.review import ReviewKind


class Strays:
    """Finds them; changes nothing."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def alike(
        self, of: Of, count: int, after: tuple[int, int] = (0, 0), but: str | None = None
    ) -> list[tuple[RecordRow, RecordRow]]:
        """Up to `count` pairs of records that share a key and are of different entities, the older one first.

        Args:
            after: the last pair of those that were given before, by the numbers of its records.
            but: keys that begin so do not count.
        """
        one, other = aliased(RecordRow), aliased(RecordRow)
        mine, theirs = aliased(KeyRow), aliased(KeyRow)
        pairs = (
            select(mine.record, theirs.record)
            .join(theirs, _same_key(mine, theirs))
            .where(mine.policy == of.policy, mine.object == of.object, col(mine.record) < col(theirs.record))
            .where(tuple_(col(mine.record), col(theirs.record)) > after)
        )
        if but is not None:
            pairs = pairs.where(not_(col(mine.key).startswith(but, autoescape=True)))
        query = (
            select(one, other)
            .where(tuple_(col(one.seq), col(other.seq)).in_(pairs))
            .where(col(one.entity_id).is_not(None), col(other.entity_id).is_not(None), one.entity_id != other.entity_id)
            .where(not_(col(one.gone)), not_(col(other.gone)))
            .order_by(col(one.seq), col(other.seq))
        )
        return list(self._session.exec(query.limit(count)).all())

    def told_apart(self, policy: str, choice: str) -> set[frozenset[str]]:
        """Each two entities of which a person was asked whether they are one, and chose this."""
        query = select(ReviewRow).where(ReviewRow.policy == policy, ReviewRow.kind == ReviewKind.LINK)
        asked = [row.question for row in self._session.exec(query.where(ReviewRow.answer == choice))]
        wanted = {one["record"] for one in asked}
        records = select(RecordRow.seq, RecordRow.entity_id).where(col(RecordRow.seq).in_(wanted))
        own = dict(self._session.exec(records).all())
        return {frozenset({own.get(one["record"]) or "", other}) for one in asked for other in one["entities"]}

    def apart(self, of: Of, why: Apart, count: int) -> list[RecordRow]:
        """Up to `count` records that are there and are of no entity for this reason."""
        query = select(RecordRow).where(*of_kind(of), RecordRow.apart == why, not_(col(RecordRow.gone)))
        return list(self._session.exec(query.order_by(col(RecordRow.seq)).limit(count)))

    def lacking(self, of: Of, system: str, count: int, after: str = "") -> list[tuple[EntityRow, RecordRow | None]]:
        """Up to `count` entities that others have records of and this system has not, by their ids.

        With each, the record that was to be made there or was deleted there; None where there is neither.

        Args:
            after: the id of the last one of those that were given before.
        """
        there = select(RecordRow.seq).where(
            RecordRow.entity_id == EntityRow.entity_id,
            col(RecordRow.external_id).is_not(None),
            not_(col(RecordRow.gone)),
        )
        own = aliased(RecordRow)
        query = (
            select(EntityRow, own)
            .outerjoin(own, and_(col(own.entity_id) == EntityRow.entity_id, col(own.system) == system))
            .where(EntityRow.policy == of.policy, EntityRow.object == of.object, col(EntityRow.merged_into).is_(None))
            .where(there.exists(), not_(there.where(RecordRow.system == system).exists()), EntityRow.entity_id > after)
            .order_by(EntityRow.entity_id)
        )
        return [(entity, record) for entity, record in self._session.exec(query.limit(count))]

    def refused(self, of: Of, count: int) -> list[RecordRow]:
        """Up to `count` records to which the last write was given up."""
        query = select(RecordRow).where(*of_kind(of), col(RecordRow.refused).is_not(None))
        return list(self._session.exec(query.order_by(col(RecordRow.seq)).limit(count)))


def _same_key(mine: type[KeyRow], theirs: type[KeyRow]) -> ColumnElement[bool]:
    return and_(*[getattr(theirs, name) == getattr(mine, name) for name in ("policy", "object", "key")])
