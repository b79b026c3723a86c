"""Three systems that hold the same cases, as the people who work in them see them, and their own books."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx
from sqlalchemy import Engine, text

from connectors.put_back import BACK
from connectors.store.engine import Store
from evals.sync_log import tags_of
from evals.sync_systems import Books

SYSTEMS = ("crm", "desk", "base")
STAGES = {"new": "1", "open": "2", "resolved": "4"}
FIELDS: dict[str, dict[str, Any]] = {
    "number": {"at": {"crm": "case_number", "desk": "order_number", "base": "number"}},
    "subject": {"owner": "desk", "at": {"crm": "subject", "desk": "subject", "base": "subject"}},
    "stage": {
        "rule": "forward",
        "stages": list(STAGES),
        "at": {"crm": {"name": "stage", "values": STAGES}, "desk": "status", "base": "stage"},
    },
    "priority": {"at": {"crm": "priority", "desk": "priority", "base": "priority"}},
    "topics": {"rule": "union", "at": {"crm": "tags", "desk": "topics", "base": "tags"}},
}
EDITABLE = ("subject", "stage", "priority", "topics")
EDITED = "edited"
"""Where the CRM and the database keep the number of a person's last edit; the help desk's are known by their time."""
LONGEST_PAGE = 100
SECOND_MS = 1000
Json = dict[str, Any]


class Typed(NamedTuple):
    """What a person typed into the help desk, and between which moments, in milliseconds."""

    edit: int
    field: str
    value: str
    begun: int
    ended: int

    def is_made(self, field: str, old: str, new: str, at: int) -> bool:
        """Whether a change that the help desk noted in a second is this one, or one of several values of it."""
        if field != self.field or not self.begun - SECOND_MS < at <= self.ended:
            return False
        if field != "topics":
            return new == self.value
        tags = tags_of(self.value)
        return new in tags if new else old not in tags


@dataclass
class World:
    """The systems, and the store of whoever keeps them in step."""

    crm: httpx.Client
    desk: httpx.Client
    base: Engine
    store: Store
    policy: str
    environ: dict[str, str]
    ids: dict[str, dict[str, str]] = field(default_factory=dict)
    edits: int = 0
    typed: dict[str, list[Typed]] = field(default_factory=dict)

    def make_tables(self) -> None:
        """The database's table, and the book that it keeps of it."""
        columns = "number text, subject text, stage text, priority text, tags text, edited text, operation_id text"
        names = "id, number, subject, stage, priority, tags, edited, operation_id"
        new = ", ".join(f"new.{name}" for name in names.split(", "))
        moment = "extract(epoch from clock_timestamp()) * 1000"
        body = f"begin insert into cases_book (at_ms, {names}) values ({moment}, {new}); return new; end"  # noqa: S608
        made = [
            "drop table if exists cases",
            "drop table if exists cases_book",
            f"create table cases (id text primary key, {columns}, updated_at timestamptz)",
            f"create table cases_book (entry bigserial primary key, at_ms double precision, id text, {columns})",
            f"create or replace function cases_book() returns trigger as $$ {body} $$ language plpgsql",
            "create trigger cases_book after insert or update on cases for each row execute function cases_book()",
        ]
        with self.base.begin() as connection:
            for statement in made:
                connection.exec_driver_sql(statement)

    def leave_out_older_tickets(self) -> None:
        """Let the first link-up go on after what other tests have made, of which there may be thousands."""
        last = {"query": "id > 0", "orderby": "id", "order": "DESC", "per_page": "1"}
        tickets = self.desk.get("/tickets", params=last).raise_for_status().json()["items"]
        with self.store.transaction() as tx:
            tx.cursors.move("cases/case/desk#stock", str(tickets[0]["id"]) if tickets else "", datetime.now(UTC))

    def make(self, number: str) -> None:
        """A case that the help desk and the database have, and the CRM has not."""
        begun, first = now_ms(), self._next()
        ticket = {"Queue": "Support", "Subject": "Refund", "CustomFields": {"Order Number": number}}
        made = self.desk.post("/ticket", json=ticket).raise_for_status()
        self.typed[number] = [Typed(first, "", "", begun, now_ms())]
        values = {"number": number, "subject": "Refund", "stage": "new", "priority": "0", "tags": ""}
        row = {"id": f"row-{number}", EDITED: str(self._next()), **values}
        marks = ", ".join(f":{name}" for name in row)
        insert = f"insert into cases ({', '.join(row)}, updated_at) values ({marks}, clock_timestamp())"  # noqa: S608
        with self.base.begin() as connection:
            connection.execute(text(insert), row)
        self.ids[number] = {"desk": str(made.json()["id"]), "base": f"row-{number}"}

    def edit(self, system: str, number: str, name: str, value: str) -> None:
        """As somebody who works there, and sees what the system shows."""
        own = FIELDS[name]["at"][system]
        own = own["name"] if isinstance(own, dict) else own
        match system:
            case "crm":
                self._edit_crm(number, own, STAGES[value] if name == "stage" else value)
            case "desk":
                body = {"topics": {"CustomFields": {"Topics": value.split(", ")}}}.get(name, {own.title(): value})
                begun = now_ms()
                self.desk.put(f"/ticket/{self.ids[number]['desk']}", json=body).raise_for_status()
                self.typed[number].append(Typed(self._next(), name, value, begun, now_ms()))
            case _:
                change = (
                    f"update cases set {own} = :value, edited = :edit, updated_at = clock_timestamp() where id = :id"  # noqa: S608
                )
                values = {"value": value, "edit": str(self._next()), "id": self.ids[number]["base"]}
                with self.base.begin() as connection:
                    connection.execute(text(change), values)

    def shown(self, system: str) -> dict[str, dict[str, str]]:
        """What a system holds of each case, by the policy's names."""
        match system:
            case "crm":
                return {number: self._crm(record) for number, record in self._crm_records().items()}
            case "desk":
                return {number: self._ticket(own["desk"]) for number, own in self.ids.items()}
            case _:
                with self.base.begin() as connection:
                    rows = connection.execute(text("select * from cases")).mappings().all()
                return {row["number"]: self._row(row) for row in rows}

    def books(self) -> dict[str, Books]:
        """What the systems' own books say; the times of the help desk's are the earliest that they can be."""
        with self.store.reading() as tx:
            entries = [entry for found in tx.entities.find("en-") for entry in tx.ledger.entries(found)]
        asked = {
            str(entry.facts["operation"]): round(entry.at.timestamp() * 1000)
            for entry in entries
            if entry.event == "queued"
        }
        return {"crm": self._crm_books(asked), "desk": self._desk_books(asked), "base": self._base_books(asked)}

    def contested(self) -> set[tuple[str, str]]:
        """The fields that people are asked about, by the case's number."""
        with self.store.reading() as tx:
            found = set()
            for review in tx.reviews.waiting("cases"):
                due = tx.crosswalk.get(str(review.question["entity"]))
                found.add((due.entity.fields["number"].agreed, str(review.question["field"])))
        return found

    def told(self) -> dict[str, Any]:
        """Where it stands, for whoever must find out why."""
        with self.store.reading() as tx:
            states = {name: tx.sources.of(f"cases/case/{name}") for name in SYSTEMS}
            counts = tx.entities.counts("cases")
            entities = {entity: tx.crosswalk.get(entity).entity.records for entity in tx.entities.find("en-")}
        return {"counts": counts, "sources": states, "entities": entities}

    def _next(self) -> int:
        self.edits += 1
        return self.edits

    def _edit_crm(self, number: str, own: str, value: str) -> None:
        """Behind the API's back, where nothing fails, and again if the record shows something else meanwhile."""
        edit = self._next()
        for _ in range(60):
            found = self.crm.get("/_people/tickets", params={"name": "case_number", "value": number})
            record = found.raise_for_status().json()[0]
            wanted = {"shown": {own: record["properties"].get(own, "")}, "properties": {own: value, EDITED: str(edit)}}
            answer = self.crm.post(f"/_people/tickets/{record['id']}", json=wanted)
            if answer.status_code != 409:
                answer.raise_for_status()
                return
        raise AssertionError(f"the CRM's record of {number} changes all the time")

    def _crm_records(self) -> dict[str, Json]:
        path = "/crm/objects/2026-09/tickets"
        names = "case_number,subject,stage,priority,tags"
        answer = self._insist(lambda: self.crm.get(path, params={"limit": "100", "properties": names}))
        records = answer.json()["results"]
        numbers = [record["properties"]["case_number"] for record in records]
        assert len(numbers) == len(set(numbers)), "a case was made twice"
        return dict(zip(numbers, records, strict=True))

    @staticmethod
    def _crm(record: Mapping[str, Any]) -> dict[str, str]:
        own = {name: value or "" for name, value in record["properties"].items()}
        stage = {code: name for name, code in STAGES.items()}.get(own["stage"], own["stage"])
        return {"subject": own["subject"], "stage": stage, "priority": own["priority"], "topics": own.get("tags", "")}

    @staticmethod
    def _row(row: Mapping[str, Any]) -> dict[str, str]:
        named = {"subject": "subject", "stage": "stage", "priority": "priority", "topics": "tags"}
        return {name: row[own] or "" for name, own in named.items()}

    def _ticket(self, ticket_id: str) -> dict[str, str]:
        ticket = self.desk.get(f"/ticket/{ticket_id}").raise_for_status().json()
        custom = {one["name"]: one["values"] for one in ticket["CustomFields"]}
        return {
            "subject": ticket["Subject"],
            "stage": ticket["Status"],
            "priority": str(ticket["Priority"]),
            "topics": ", ".join(sorted(filter(None, custom.get("Topics", [])))),
        }

    def _crm_books(self, asked: Mapping[str, int]) -> Books:
        books = Books(held=self.shown("crm"))
        for record in self.crm.get("/_records").raise_for_status().json()["records"]:
            number, before = record["properties"]["case_number"], dict[str, str]()
            for change in record["changes"]:
                made = {name: text for name, text in change["properties"].items() if name != EDITED}
                after = self._crm({"properties": {"stage": "", "subject": "", "priority": "", **before, **made}})
                was = self._crm({"properties": {"stage": "", "subject": "", "priority": "", **before}})
                edit = int(change["properties"][EDITED]) if EDITED in change["properties"] else None
                books.note("crm", number, change["at_ms"], edit, was, after, asked.get(_whole(change["operation"])))
                before |= made
        return books

    def _base_books(self, asked: Mapping[str, int]) -> Books:
        books, last = Books(held=self.shown("base")), dict[str, Mapping[str, Any]]()
        with self.base.begin() as connection:
            rows = connection.execute(text("select * from cases_book order by entry")).mappings().all()
        for row in rows:
            was = last.get(row["id"], {})
            edit = int(row[EDITED]) if row[EDITED] and row[EDITED] != was.get(EDITED) else None
            before = self._row(was) if was else {}
            decided = asked.get(str(row["operation_id"]))
            books.note("base", row["number"], round(row["at_ms"]), edit, before, self._row(row), decided)
            last[row["id"]] = row
        return books

    def _desk_books(self, asked: Mapping[str, int]) -> Books:
        books = Books(held=self.shown("desk"))
        for number, own in self.ids.items():
            ticket = self.desk.get(f"/ticket/{own['desk']}").raise_for_status().json()
            custom = {one["id"]: one["name"] for one in ticket["CustomFields"]}
            notes = list(self._notes(own["desk"]))
            marks = {note["id"]: note["NewValue"] for note in notes if custom.get(note["Field"]) == "OperationId"}
            names = {"Subject": "subject", "Status": "stage", "Priority": "priority"}
            names |= {key: "topics" for key, name in custom.items() if name == "Topics"}
            made, *typed = self.typed[number]
            first = {"subject": "Refund", "stage": "new", "priority": "0", "topics": ""}
            books.note("desk", number, made.begun, made.edit, {}, first, None)
            at, held = made.begun, dict(first)
            for note in notes:
                if (name := names.get(note["Field"])) is None:
                    continue
                noted = round(datetime.fromisoformat(note["Created"]).timestamp() * SECOND_MS)
                old, new = note["OldValue"], note["NewValue"]
                by = next((one for one in typed if one.is_made(name, old, new, noted)), None)
                mark = marks.get(min(marks, key=lambda one: abs(int(one) - int(note["id"])), default=""), "")
                decided = None if by else asked.get(_whole(mark))
                at = max(at, by.begun if by else max(noted, decided or 0))
                after = _after(held[name], old, new) if name == "topics" else new
                edit = by.edit if by else None
                books.note("desk", number, at, edit, held, held | {name: after}, decided)
                held[name] = after
        return books

    def _notes(self, ticket_id: str) -> Iterator[dict[str, str]]:
        """The history of a ticket, the oldest first."""
        asked = {"fields": "Field,OldValue,NewValue,Created", "per_page": str(LONGEST_PAGE)}
        for page in range(1, 100):
            items = self.desk.get(f"/ticket/{ticket_id}/history", params={**asked, "page": str(page)}).json()["items"]
            yield from items
            if len(items) < LONGEST_PAGE:
                return

    @staticmethod
    def _insist(ask: Callable[[], httpx.Response]) -> httpx.Response:
        for _ in range(60):
            try:
                answer = ask()
                answer.json()
            except (httpx.HTTPError, json.JSONDecodeError):
                continue
            if answer.status_code < 300:
                return answer
            time.sleep(0.05)
        raise AssertionError(f"the system does not let anybody look: {answer.status_code} {answer.text[:200]}")


def now_ms() -> int:
    """The moment, in milliseconds."""
    return round(datetime.now(UTC).timestamp() * 1000)


def _after(held: str, old: str, new: str) -> str:
    return ", ".join(sorted(({*tags_of(held)} - {old}) | ({new} - {""})))


def _whole(operation: str) -> str:
    """The write that another one puts right, whose id follows on the first one's."""
    return operation.partition(BACK)[0]
