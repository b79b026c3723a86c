"""Systems that are kept in step keep the contract: HubSpot's sandbox, and tables on SQLite and PostgreSQL."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import httpx
import pytest
from databases import fresh_url, postgres_url
from sqlalchemy import Engine, create_engine, make_url, text

from connectors.contract import ComparedContract, KeptContract, KeptSubject
from connectors.crm.hubspot import HubSpot
from connectors.crm.hubspot_api import vendor
from connectors.crm.hubspot_changes import HubSpotChanges
from connectors.crm.hubspot_kept import HubSpotKept
from connectors.http_outcomes import HttpApi
from connectors.kept import Changed, Page, Record
from connectors.registry import KEPT, open_kept
from connectors.sandbox.faults import FaultPlan
from connectors.sandbox.hubspot import create_app
from connectors.sandbox.service import TokenBucket
from connectors.tables.sql_table import SqlTable
from domain.delivery import DeliveryOutcome, Operation, Written

__all__ = ["fresh_url", "postgres_url"]

CONTACTS = "/crm/objects/2026-09/contacts"
FIELDS = ("company", "city", "fax")
VALUES = {"company": "Acme", "city": "Ulm"}
PATIENT_S = 10
TABLE = """CREATE TABLE companies (number INTEGER PRIMARY KEY, company VARCHAR(40), city VARCHAR(40),
    updated_at TIMESTAMP, operation_id VARCHAR(40))"""


def operations(system: str, options: Mapping[str, str], **more: str) -> Iterator[Operation]:
    """Each creates another record."""
    spec = KEPT[system]
    for number in count(1):
        yield Operation(
            operation_id=f"op-{number}",
            item_id=f"item-{number}",
            policy="accounts",
            destination=system,
            system=system,
            record_key=str(number),
            values=VALUES | more,
            options=spec.destination_options(spec.chosen(options)),
        )


@pytest.fixture
async def hubspot() -> AsyncIterator[KeptSubject]:
    """The connectors and the sandbox behind them, whose clock is ours."""
    now = [datetime(2026, 3, 1, 12, tzinfo=UTC)]
    free = TokenBucket(1e9, 10**9)
    transport = httpx.ASGITransport(create_app(FaultPlan(), None, free, free, lambda: now[0]))
    headers = {"Authorization": "Bearer key"}
    server = httpx.AsyncClient(transport=transport, base_url="http://hubspot.test", headers=headers)
    await server.post("/_settings", json={"undefined": ["fax"]})
    api = HttpApi(vendor(ZoneInfo("UTC")), server)
    changes = HubSpotChanges(api, "contacts", (), lambda: now[0], operation_property="interlock_operation")
    fresh = operations("hubspot", {})

    async def edit(record: str, values: Mapping[str, str]) -> None:
        (await server.patch(f"{CONTACTS}/{record}", json={"properties": dict(values)})).raise_for_status()

    async def delete(record: str) -> None:
        (await server.delete(f"{CONTACTS}/{record}")).raise_for_status()

    async def merge(survivor: str, other: str) -> None:
        pair = {"primaryObjectId": survivor, "objectIdToMerge": other}
        (await server.post(f"{CONTACTS}/merge", json=pair)).raise_for_status()

    async def settles() -> None:
        now[0] += timedelta(minutes=5)

    yield KeptSubject(
        kept=HubSpotKept(api, changes, "contacts", FIELDS, "interlock_operation"),
        destination=HubSpot(api),
        fresh=lambda: next(fresh),
        text="company",
        filled="city",
        absent="fax",
        edit=edit,
        delete=delete,
        merge=merge,
        settles=settles,
    )
    await server.aclose()


@pytest.fixture
async def table(fresh_url: str) -> AsyncIterator[KeptSubject]:
    """A table, and the database past the connectors."""
    url = make_url(fresh_url)
    driven = url if url.get_backend_name() == "sqlite" else url.set(drivername="postgresql+psycopg")
    engine = create_engine(driven, isolation_level="AUTOCOMMIT")
    execute(engine, TABLE)
    options = {"table": "companies", "key": "number", "updated_at": "updated_at"}
    settled = datetime.now(UTC) - timedelta(minutes=1)
    fresh = operations("sql_table", options, updated_at=settled.isoformat())

    async def edit(key: str, values: Mapping[str, str]) -> None:
        changes = ", ".join(f"{name} = '{value}'" for name, value in values.items())
        execute(engine, f"UPDATE companies SET {changes} WHERE number = {key}")  # noqa: S608  our own words

    async def delete(key: str) -> None:
        execute(engine, f"DELETE FROM companies WHERE number = {key}")  # noqa: S608

    async def settles() -> None:
        """Rows are written with a time that is settled."""

    kept = open_kept("sql_table", options, FIELDS, {"INTERLOCK_SQL_URL": fresh_url})
    destination = SqlTable(fresh_url, PATIENT_S)
    yield KeptSubject(
        kept=kept,
        destination=destination,
        fresh=lambda: next(fresh),
        text="company",
        filled="city",
        absent="fax",
        edit=edit,
        delete=delete,
        merge=None,
        settles=settles,
    )
    await kept.aclose()
    await destination.aclose()
    engine.dispose()


def execute(engine: Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(statement))


class TestHubSpot(KeptContract):
    """HubSpot has no compare-and-set."""

    @pytest.fixture
    def subject(self, hubspot: KeptSubject) -> KeptSubject:
        return hubspot


class TestTables(ComparedContract):
    """A row is compared and written under one lock."""

    @pytest.fixture
    def subject(self, table: KeptSubject) -> KeptSubject:
        return table


class Forgetful:
    """Reads as the system behind it, but for one promise that it breaks."""

    def __init__(self, subject: KeptSubject, **broken: object) -> None:
        self._kept = subject.kept
        for name, instead in broken.items():
            setattr(self, name, instead)

    async def changed(self, cursor: str, count: int) -> Changed:
        return await self._kept.changed(cursor, count)

    async def read(self, external_ids: list[str]) -> dict[str, Record | None]:
        return await self._kept.read(external_ids)

    async def page(self, after: str, count: int) -> Page:
        return await self._kept.page(after, count)

    async def aclose(self) -> None:
        await self._kept.aclose()


class Blind:
    """Writes whatever is expected of a record."""

    def __init__(self, subject: KeptSubject, said: dict[str, str] | None = None) -> None:
        self._destination, self._said = subject.destination, said
        self.capabilities = subject.destination.capabilities

    async def send(self, operation: Operation) -> DeliveryOutcome:
        unasked = {} if operation.expected is not None else None
        outcome = await self._destination.send(operation.model_copy(update={"expected": unasked}))
        told = isinstance(outcome, Written) and self._said is not None
        return outcome.model_copy(update={"values": self._said}) if told else outcome

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        return await self._destination.find(operation)

    async def aclose(self) -> None:
        await self._destination.aclose()


async def test_the_kit_tells_a_reader_that_lags(hubspot: KeptSubject) -> None:
    seen: dict[str, Record | None] = {}

    async def read(external_ids: list[str]) -> dict[str, Record | None]:
        return {one: seen.setdefault(one, (await hubspot.kept.read([one]))[one]) for one in external_ids}

    lagging = replace(hubspot, kept=Forgetful(hubspot, read=read))
    with pytest.raises(AssertionError, match="our change must be read"):
        await KeptContract().test_a_record_is_read_as_it_is_a_moment_after_it_was_changed(lagging)


async def test_the_kit_tells_pages_that_never_end_or_miss_or_double(hubspot: KeptSubject) -> None:
    async def endless(after: str, count: int) -> Page:
        return Page((), "1")

    async def doubling(after: str, count: int) -> Page:
        whole = await hubspot.kept.page("", 100)
        return Page(whole.records[:count], "") if after else Page(whole.records[:count], "1")

    async def missing(after: str, count: int) -> Page:
        return Page((), "")

    for page, says in ((endless, "a snapshot must end"), (doubling, "there twice"), (missing, "must be there")):
        wrong = replace(hubspot, kept=Forgetful(hubspot, page=page))
        with pytest.raises(AssertionError, match=says):
            await KeptContract().test_a_snapshot_has_every_record_once_whatever_the_size_of_its_pages(wrong)


async def test_the_kit_tells_changes_that_never_end(hubspot: KeptSubject) -> None:
    async def endless(cursor: str, count: int) -> Changed:
        return Changed((), cursor, more=True)

    with pytest.raises(AssertionError, match="changes must end"):
        await KeptContract().test_what_was_written_is_told_read_and_on_one_page(
            replace(hubspot, kept=Forgetful(hubspot, changed=endless))
        )


async def test_the_kit_tells_a_reader_that_forgets_what_is_there(hubspot: KeptSubject) -> None:
    async def read(external_ids: list[str]) -> dict[str, Record | None]:
        return dict.fromkeys(external_ids)

    with pytest.raises(AssertionError, match="must be there, and is not"):
        await KeptContract().test_blank_is_there_and_what_the_system_lacks_is_left_out(
            replace(hubspot, kept=Forgetful(hubspot, read=read))
        )


async def test_the_kit_tells_a_writer_that_overwrites(hubspot: KeptSubject) -> None:
    with pytest.raises(AssertionError, match="must be a Conflict that moved"):
        await KeptContract().test_a_record_that_holds_something_else_is_not_written(
            replace(hubspot, destination=Blind(hubspot))
        )


async def test_the_kit_tells_a_writer_that_says_not_what_is_there(hubspot: KeptSubject) -> None:
    with pytest.raises(AssertionError, match="must be told as it is read"):
        await KeptContract().test_what_is_written_is_told_as_it_is_read(
            replace(hubspot, destination=Blind(hubspot, {"company": "A TEXT"}))
        )


async def test_the_kit_tells_two_winners(hubspot: KeptSubject) -> None:
    with pytest.raises(AssertionError, match="exactly one of two must be Written"):
        await ComparedContract().test_of_two_writers_with_the_same_expectation_one_wins(
            replace(hubspot, destination=Blind(hubspot))
        )


async def test_the_kit_tells_that_a_record_cannot_be_made(hubspot: KeptSubject) -> None:
    fresh = hubspot.fresh().model_copy(update={"values": {"fax": "1"}})

    with pytest.raises(AssertionError, match="a new record must be Written"):
        await replace(hubspot, fresh=lambda: fresh).made()
