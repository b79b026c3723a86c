"""Two tables that are kept in step and read as a whole, without Prefect: tasks are called as functions."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kept_tables import Tables, sync_resources, write_sync

from connectors.kept import Changed, Kept, Page, Record
from connectors.store.crosswalk_rows import Of
from connectors.store.drift_tables import PassRow
from connectors.store.engine import Store
from domain.consistency import Tally
from domain.review import Answer
from tasks.deliver import deliver_due
from tasks.in_step import keep_in_step, note_written
from tasks.observe import note_changes, read_changed
from tasks.recognise import recognise
from tasks.reconcile import read_whole
from tasks.repair import propose_repairs
from tasks.resources import opened
from tasks.review import form_of, settle_answer

PEOPLE = Of("tiny_sync", "person")
LATER = timedelta(hours=1)
"""By then every change has been told of, or never will be."""


class Beset:
    """A table's records as they are kept in step, with something that happens before a page is read."""

    def __init__(self, real: Kept, before: Callable[[str], None]) -> None:
        self._real, self._before = real, before

    async def changed(self, cursor: str, count: int) -> Changed:
        return await self._real.changed(cursor, count)

    async def read(self, external_ids: Sequence[str]) -> dict[str, Record | None]:
        return await self._real.read(external_ids)

    async def page(self, after: str, count: int) -> Page:
        self._before(after)
        return await self._real.page(after, count)

    async def aclose(self) -> None:
        await self._real.aclose()


class Works:
    """Two tables that are kept in step, a store, and a clock that is moved by hand."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store, self.ahead = folder, store, LATER
        self.tables = Tables(folder / "systems.db")
        self.policy = write_sync(folder)
        self.before: dict[str, Callable[[str], None]] = {}
        self.here = sync_resources(store, self.tables, lambda: datetime.now(UTC) + self.ahead, self._beset)

    def _beset(self, table: str, kept: Kept) -> Kept:
        return Beset(kept, lambda after: self._reached(table, after))

    def _reached(self, table: str, after: str) -> None:
        if table in self.before:
            self.before[table](after)

    async def sync(self) -> None:
        """As the flow does, without Prefect."""
        async with opened(self.here):
            for _ in range(3):
                await note_changes.fn(self.policy)
                await read_changed.fn(self.policy)
                await recognise.fn(self.policy)
                await keep_in_step.fn(self.policy)
                await deliver_due.fn(2)
                await note_written.fn(self.policy)

    async def look(self) -> int:
        async with opened(self.here):
            return await read_whole.fn(self.policy)

    async def repair(self) -> int:
        async with opened(self.here):
            return await propose_repairs.fn(self.policy)

    def passes(self, system: str) -> list[PassRow]:
        with self.store.reading() as tx:
            return tx.passes.ended(PEOPLE, system, 10)

    def drift(self, system: str, field: str) -> Tally:
        (last, *_) = self.passes(system)
        with self.store.reading() as tx:
            figures = tx.passes.figures("tiny_sync", [last.run])
        return next(one for row, one in figures if (row.system, row.field) == (system, field))

    def answer(self, choice: str) -> None:
        with self.store.reading() as tx:
            (review,) = tx.reviews.waiting("tiny_sync")
            form = form_of(self.here, tx, review)
        assert form is not None
        chosen = next(one for one in form.choices if one.startswith(choice))
        answer = Answer(choice=chosen, reviewer="a person", binding=form.binding)
        assert settle_answer(self.here, review.review_id, answer).refusal is None

    def entities(self) -> list[str]:
        with self.store.reading() as tx:
            return [one for one in tx.entities.find("en-") if tx.crosswalk.get(one).row.merged_into is None]
