"""Entities as people look for them: by any id or key, how many there are, and how a field came to be what it is."""

from sqlalchemy import func, not_
from sqlmodel import Session, col, select

from connectors.store.crosswalk_rows import STRANGE
from connectors.store.crosswalk_tables import EntityRow, KeyRow, MoveRow, RecordRow
from connectors.store.states import State
from connectors.store.tables import OperationRow


class Entities:
    """What is told of entities and their records."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def counts(self, policy: str) -> dict[str, int]:
        """How many entities and records there are, how many wait for a write, a reading or a merge, or were given up.

        `dead_letters` are writes of entities; the books of items do not know them, as an entity is none.
        """
        mine = RecordRow.policy == policy
        wanted = {
            "entities": (EntityRow.policy == policy, col(EntityRow.merged_into).is_(None)),
            "to_merge": (EntityRow.policy == policy, col(EntityRow.due)),
            "records": (mine, not_(col(RecordRow.gone))),
            "to_read": (mine, col(RecordRow.unread), col(RecordRow.operation_id).is_(None)),
            "writes_under_way": (mine, col(RecordRow.operation_id).is_not(None)),
            "to_link": (mine, *STRANGE),
            "refused": (mine, col(RecordRow.refused).is_not(None)),
            "dead_letters": (
                OperationRow.policy == policy,
                OperationRow.state == State.DEAD,
                col(OperationRow.item_id).in_(select(EntityRow.entity_id).where(EntityRow.policy == policy)),
            ),
        }
        return {
            name: self._session.exec(select(func.count()).where(*conditions)).one()
            for name, conditions in wanted.items()
        }

    def find(self, fragment: str) -> list[str]:
        """Ids of the entities whose id begins with `fragment`, or that have a record of that id or key."""
        named = select(RecordRow.entity_id).where(col(RecordRow.external_id) == fragment)
        keyed = (
            select(RecordRow.entity_id)
            .join(KeyRow, col(KeyRow.record) == RecordRow.seq)
            .where(col(KeyRow.key).endswith(f"={fragment.casefold()}", autoescape=True))
        )
        own = select(EntityRow.entity_id).where(col(EntityRow.entity_id).startswith(fragment, autoescape=True))
        found = {name for query in (own, named, keyed) for name in self._session.exec(query.limit(20)) if name}
        return sorted(found)

    def all_of(self, entity_id: str) -> list[str]:
        """An entity, and before it those that turned out to be the same, and those that had turned out to be these."""
        found, last = [entity_id], [entity_id]
        while last:
            merged = select(EntityRow.entity_id).where(col(EntityRow.merged_into).in_(last))
            last = sorted(self._session.exec(merged))
            found = [*last, *found]
        return found

    def history(self, entity_id: str, named: str | None = None) -> list[MoveRow]:
        """What was made of the edits of an entity's fields, or of one, the oldest first.

        What was made of another entity's, before that turned out to be the same, is among it.
        """
        query = select(MoveRow).where(col(MoveRow.entity_id).in_(self.all_of(entity_id)))
        query = query.where(MoveRow.field == named) if named else query
        return list(self._session.exec(query.order_by(col(MoveRow.seq))))
