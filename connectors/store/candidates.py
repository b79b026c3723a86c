"""Records that may be of the same things: which of them share a key."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import exists, func, not_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from connectors.store.crosswalk_rows import Of, of_kind
from connectors.store.crosswalk_tables import EntityRow, KeyRow, RecordRow
from connectors.store.parts import in_parts
from connectors.store.tables import OperationRow
from domain.linking import Apart

PAGE = 1000
"""Records that are read at once where all are."""
KEYS = 5000
"""Keys in one query; SQLite takes at most 32,766 parameters."""


class Sharing(NamedTuple):
    """That a record, of an entity, can be found by a key."""

    key: str
    record: int
    entity: str


class Candidates:
    """The records of all policies, as what others may be the same as."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def page(self, of: Of, after: int) -> list[RecordRow]:
        """Up to `PAGE` records of a kind, from number `after` on, whatever they are of."""
        query = select(RecordRow).where(*_of(of), col(RecordRow.seq) > after)
        return list(self._session.exec(query.order_by(col(RecordRow.seq)).limit(PAGE)))

    def every(self, of: Of) -> Iterator[RecordRow]:
        """All records of a kind; what was given is forgotten as soon as nobody holds it any more."""
        after = 0
        while rows := self.page(of, after):
            yield from rows
            after = rows[-1].seq or 0

    def any_for(self, of: Of, system: str) -> bool:
        """Whether there is any entity that a record of a system may be of: one without a record there."""
        return self._session.exec(select(RecordRow.seq).where(*_free(of, system)).limit(1)).first() is not None

    def sizes(self, of: Of, system: str, keys: Collection[str]) -> dict[str, int]:
        """How many records that one of a system may be the same as share each key; none where it is left out."""
        query = select(KeyRow.key, func.count()).join(RecordRow, col(KeyRow.record) == RecordRow.seq)
        query = query.where(*_free(of, system), KeyRow.policy == of.policy, KeyRow.object == of.object)
        found: dict[str, int] = {}
        for some in in_parts(sorted(keys), KEYS):
            found |= dict(self._session.exec(query.where(col(KeyRow.key).in_(some)).group_by(KeyRow.key)).all())
        return found

    def sharing(self, of: Of, system: str, keys: Collection[str]) -> list[Sharing]:
        """The records that one of a system may be the same as, by each key that they share."""
        query = select(KeyRow.key, RecordRow.seq, RecordRow.entity_id)
        query = query.join(RecordRow, col(KeyRow.record) == RecordRow.seq).where(*_free(of, system))
        query = query.where(KeyRow.policy == of.policy, KeyRow.object == of.object)
        return [
            Sharing(key, seq or 0, entity or "")
            for some in in_parts(sorted(keys), KEYS)
            for key, seq, entity in self._session.exec(query.where(col(KeyRow.key).in_(some)))
        ]

    def values(self, seqs: Collection[int]) -> dict[int, dict[str, str]]:
        """What these records hold, by number."""
        query = select(RecordRow.seq, RecordRow.now)
        return {
            seq or 0: dict(now)
            for some in in_parts(sorted(seqs), KEYS)
            for seq, now in self._session.exec(query.where(_numbered(some))).all()
        }

    def beside(self, of: Of, system: str, keys: Collection[str], but: int, most: int) -> list[RecordRow]:
        """Up to `most` records of the same system that share a key with the one of number `but`, and are of something.

        A key that more share tells nothing, and is left out.
        """
        mine = (*_of(of), RecordRow.system == system, col(RecordRow.entity_id).is_not(None), RecordRow.seq != but)
        join = select(KeyRow.key, RecordRow).join(RecordRow, col(KeyRow.record) == RecordRow.seq)
        here = (*mine, KeyRow.policy == of.policy, KeyRow.object == of.object)
        found: dict[int, RecordRow] = {}
        for key in sorted(keys):
            rows = [row for _, row in self._session.exec(join.where(*here, KeyRow.key == key).limit(most + 1))]
            found |= {row.seq or 0: row for row in rows} if len(rows) <= most else {}
        return [found[seq] for seq in sorted(found)]

    def named(self, of: Of, external_id: str, not_of: str, system: str = "") -> list[str]:
        """The entities of the records of that id in systems other than `not_of`, or in one system."""
        query = select(RecordRow.entity_id).where(
            *_of(of), RecordRow.system != not_of, RecordRow.external_id == external_id
        )
        query = query.where(RecordRow.system == system) if system else query
        return sorted({entity for entity in self._session.exec(query) if entity})

    def record(self, of: Of, system: str, external_id: str) -> RecordRow | None:
        """A record by its system's own id."""
        query = select(RecordRow).where(*_of(of), RecordRow.system == system, RecordRow.external_id == external_id)
        return self._session.exec(query).first()

    def writes(self, of: Of) -> dict[str, int]:
        """How many writes each entity has asked for, of those that have; and none of those that are merged."""
        query = select(EntityRow.entity_id, EntityRow.writes).where(
            EntityRow.policy == of.policy, EntityRow.object == of.object, EntityRow.writes > 0
        )
        return dict(self._session.exec(query).all())

    def made(self, policy: str) -> set[tuple[str, str]]:
        """The records that writes of a policy have made: system and its own id."""
        query = select(OperationRow.operation, OperationRow.outcome).where(OperationRow.policy == policy)
        outcomes = self._session.exec(query.where(col(OperationRow.outcome).is_not(None)))
        return {(asked["destination"], str(told["external_id"])) for asked, told in outcomes if told and _created(told)}


def _created(outcome: Mapping[str, Any]) -> bool:
    return outcome.get("kind") == "created"


def _of(of: Of) -> tuple[Any, ...]:
    return *of_kind(of), not_(col(RecordRow.gone))


def _free(of: Of, system: str) -> tuple[Any, ...]:
    """Of the records that one of a system may be the same as: others', of entities that have none there."""
    own = aliased(RecordRow)
    has = exists().where(
        col(own.entity_id) == col(RecordRow.entity_id),
        col(own.system) == system,
        col(own.external_id).is_not(None),
        not_(col(own.gone)),
    )
    return (
        *_of(of),
        RecordRow.system != system,
        col(RecordRow.entity_id).is_not(None),
        not_(has),
        RecordRow.apart != Apart.OUTSIDE,
    )


def _numbered(seqs: Collection[int]) -> Any:
    return col(RecordRow.seq).in_(seqs)
