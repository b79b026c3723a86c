"""How far reconciliations have read each system, and what they found; see `connectors.store.drift_tables`."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import not_
from sqlmodel import Session, col, select

from connectors.store.crosswalk_rows import Due, Of, named_so, of_side
from connectors.store.crosswalk_tables import EntityRow, RecordRow
from connectors.store.drift_tables import DriftRow, PassRow
from domain.consistency import Found, Tally, tally

EXAMPLES = 5
"""Records that are named of what was found of a field."""

TOLD_OF = (Found.MISSED, Found.KNOWN, Found.MALFORMED)
"""What is found of which records are named."""


class Passes:
    """The passes of all policies' systems, and the figures that they come to."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(self, of: Of, system: str, run: str, now: datetime) -> None:
        """Begin a system's pass, unless one of it goes on already, or this reconciliation has had it."""
        had = self._session.exec(select(PassRow.seq).where(*_of(of, system), PassRow.run == run)).first()
        if had is None and self.going_on(of, system) is None:
            place = PassRow(run=run, policy=of.policy, object=of.object, system=system, began_at=now)
            self._session.add(place)
            self._session.flush()

    def going_on(self, of: Of, system: str) -> PassRow | None:
        """The pass of a system that has not ended; None if there is none."""
        query = select(PassRow).where(*_of(of, system), col(PassRow.ended_at).is_(None))
        return self._session.exec(query.order_by(col(PassRow.seq))).first()

    def unfinished(self, policy: str, since: datetime) -> str | None:
        """The reconciliation that has begun last, of those that began after `since` and have not ended."""
        query = select(PassRow.run).where(PassRow.policy == policy, col(PassRow.ended_at).is_(None))
        query = query.where(col(PassRow.began_at) > since)
        return self._session.exec(query.order_by(col(PassRow.began_at).desc())).first()

    def ended(self, of: Of, system: str, count: int) -> list[PassRow]:
        """A system's last passes that have ended, the newest first."""
        query = select(PassRow).where(*_of(of, system), col(PassRow.ended_at).is_not(None))
        return list(self._session.exec(query.order_by(col(PassRow.began_at).desc()).limit(count)))

    def records(self, of: Of, system: str, external_ids: Collection[str]) -> dict[str, RecordRow]:
        """The records of these ids that are known, by id."""
        query = select(RecordRow).where(*of_side(of, system), named_so(external_ids))
        return {row.external_id or "": row for row in self._session.exec(query)}

    def entities(self, rows: Collection[RecordRow]) -> dict[str, Due]:
        """What these records are of, by its id."""
        wanted = {row.entity_id for row in rows if row.entity_id}
        entities = list(self._session.exec(select(EntityRow).where(col(EntityRow.entity_id).in_(wanted))))
        found = {row.entity_id: Due(row, {}) for row in entities}
        for record in self._session.exec(select(RecordRow).where(col(RecordRow.entity_id).in_(wanted))):
            found[record.entity_id or ""].records[record.system] = record
        return found

    def unseen(self, place: PassRow, count: int) -> list[RecordRow]:
        """Up to `count` records that should be there and that the pass has not seen."""
        query = select(RecordRow).where(
            *of_side(Of(place.policy, place.object), place.system),
            col(RecordRow.external_id).is_not(None),
            not_(col(RecordRow.gone)),
            RecordRow.seen != place.run,
        )
        return list(self._session.exec(query.order_by(col(RecordRow.seq)).limit(count)))

    def found(self, place: PassRow, what: Sequence[tuple[str, str, Found]]) -> None:
        """Add to a pass's figures what was found: field, record and how that stands."""
        by_field: dict[str, list[tuple[str, Found]]] = {}
        for field, record, one in what:
            by_field.setdefault(field, []).append((record, one))
        query = select(DriftRow).where(
            DriftRow.run == place.run, DriftRow.object == place.object, DriftRow.system == place.system
        )
        rows = {row.field: row for row in self._session.exec(query)}
        for field, several in by_field.items():
            row = rows.get(field) or _nothing(place, field)
            for name, count in (_tally(row) + tally(one for _, one in several)).model_dump().items():
                setattr(row, name, count)
            row.examples = _examples(row.examples, several)
            self._session.add(row)

    def figures(self, policy: str, runs: Collection[str]) -> list[tuple[DriftRow, Tally]]:
        """What these reconciliations found of a policy's fields, by object, system and field."""
        query = select(DriftRow).where(DriftRow.policy == policy, col(DriftRow.run).in_(set(runs)))
        order = (col(DriftRow.at), DriftRow.object, DriftRow.system, col(DriftRow.seq))
        return [(row, _tally(row)) for row in self._session.exec(query.order_by(*order))]


def _of(of: Of, system: str) -> tuple[bool, ...]:
    return PassRow.policy == of.policy, PassRow.object == of.object, PassRow.system == system


def _nothing(place: PassRow, field: str) -> DriftRow:
    return DriftRow(
        run=place.run,
        policy=place.policy,
        object=place.object,
        system=place.system,
        field=field,
        at=place.began_at,
        examples={},
    )


def _tally(row: DriftRow) -> Tally:
    return Tally.model_validate({name: getattr(row, name) for name in Tally.model_fields})


def _examples(before: Mapping[str, list[str]], found: Sequence[tuple[str, Found]]) -> dict[str, list[str]]:
    more = {one.value: [record for record, how in found if how is one] for one in TOLD_OF}
    named = {how: [*before.get(how, []), *records][:EXAMPLES] for how, records in more.items()}
    return {how: records for how, records in named.items() if records}
