"""What the commands print and how they end, over a store that is filled without Prefect."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from builders import proposal, route_review
from click.testing import Result
from databases import sqlite_database
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlmodel import select
from tiny import write_orders, write_people, write_tiny
from typer.testing import CliRunner

from connectors.help_desk.sandbox import HELP_DESK_URL
from connectors.ports import Arrival
from connectors.store.engine import Store
from connectors.store.tables import EntryRow
from console.local_prefect import free_port
from console.main import app
from console.sandboxes import Sandboxes, sandboxes
from domain.decide import decide
from domain.decision import Reason
from domain.delivery import (
    Invalid,
    Invitation,
    NextStep,
    Operation,
    Patience,
    RetryAfter,
    Step,
    Written,
    next_step,
    operation_id,
)
from domain.errors import Unauthorised
from domain.escalation import Cause, LadderStep, Why
from domain.keys import Purpose, unseal
from domain.ledger import Entry, erased
from domain.people import Channel, Recipient
from domain.source_state import SourceState, failed
from policies.intake import check, match_rule
from policies.load import find_policy, load_workflow, shipped_policies
from policies.notices import PATIENCE, assignment
from policies.writes import operations
from tasks.accept import accept
from tasks.begun import begin
from tasks.escalate import escalate
from tasks.resources import Resources

EXIT_FAULT, EXIT_MISUSE = 1, 2


def begin_version(terminal: "Terminal") -> None:
    """Keep what the policy says, as the first decision under it does."""
    with terminal.store.transaction() as tx:
        begin(tx, load_workflow(terminal.policy), datetime.now(UTC))


@dataclass
class Terminal:
    """Somebody at a terminal with an installation of their own."""

    home: Path
    policy: str
    store: Store
    patch: pytest.MonkeyPatch

    def run(self, *arguments: str, code: int = 0) -> Result:
        """Run the command line; its exit code must be `code`, and no error a trace."""
        result = CliRunner().invoke(app, list(arguments))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        assert result.exit_code == code, result.output
        return result

    def told(self, *arguments: str, code: int = EXIT_MISUSE) -> str:
        """What a command says on stderr when it ends with `code`, on one line."""
        result = self.run(*arguments, code=code)
        assert result.stdout == ""
        return " ".join(result.stderr.split())

    def accept(self, external_id: str, text: str = "hello there", email: str = "a@example.com") -> str:
        """Take a message in; gives its item."""
        record = Arrival(
            where="mails.jsonl:1",
            source="test",
            external_id=external_id,
            received_at=datetime.now(UTC),
            fields={"message": text, "email": email},
        )
        here = Resources(self.store, lambda: None, _none, _none)
        assert accept(here, self.policy, [record]) == []
        with self.store.reading() as tx:
            (item,) = tx.inbox.find(external_id)
        return item

    def decide(self, *, drawn: bool = False) -> None:
        """Decide about everything that waits: a rule routes invoices, the rest goes to a person, or to the audit."""
        workflow, now = load_workflow(self.policy), datetime.now(UTC)
        with self.store.transaction() as tx:
            for claimed in tx.inbox.claim("tiny", "run", 100, timedelta(minutes=1), now):
                checked = check(claimed.item, workflow.policy)
                proposed = proposal(label="access", opinion="access", confidence=0.4)
                decision = decide(proposed, match_rule(claimed.item, checked, workflow.policy), workflow.terms, now, ())
                if drawn:
                    decision = decision.model_copy(update={"reason": Reason.AUDIT, "holds": ()})
                writes = operations(claimed, checked, decision, workflow)
                tx.inbox.keep_decision(claimed.item_id, proposed, decision, len(writes), now)
                for write in writes:
                    tx.outbox.put(write, workflow.policy.destinations[write.destination].patience, now)
                if decision.waits:
                    due_at = now + timedelta(hours=1)
                    tx.reviews.open(route_review(claimed, workflow.reference, proposed.hash, due_at, decision), now)

    def events(self, item: str) -> list[str]:
        with self.store.reading() as tx:
            return [entry.event.value for entry in tx.ledger.entries(item)]

    def past_the_store(self, *statements: str) -> None:
        """Change the database as somebody could who has its file."""
        with closing(sqlite3.connect(self.home / "interlock.db", isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)


def _none(_asked: object) -> Any:
    raise AssertionError("nothing outside is needed here")


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("INTERLOCK_HOME", str(tmp_path))
    url = sqlite_database(tmp_path / "interlock.db")
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", url)
    monkeypatch.setenv("INTERLOCK_LLM", "off")
    store = Store(url)
    with closing(store), temporary_settings({PREFECT_API_URL: None}):
        yield Terminal(tmp_path, write_tiny(tmp_path), store, monkeypatch)


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandboxes]:
    with sandboxes(tmp_path_factory.mktemp("systems"), fault_rate=0) as running:
        yield running


@pytest.fixture
def connected(terminal: Terminal, systems: Sandboxes) -> Terminal:
    for name, value in systems.environ.items():
        terminal.patch.setenv(name, value)
    return terminal


class TestPolicy:
    @pytest.mark.parametrize("name", ["lead_routing", "support_triage"])
    def test_a_shipped_one_holds(self, terminal, name):
        shown = terminal.run("policy", "check", name).stdout
        assert shown.startswith(f"{name} version 1 holds, mode ")
        assert "labelled examples" in shown

    def test_check_shows_routes_writes_and_the_proven_threshold(self, terminal):
        lines = [line.strip() for line in terminal.run("policy", "check", terminal.policy).stdout.splitlines()]
        assert lines == [
            "tiny version 1 holds, mode auto",
            "routes: access, billing",
            "8 labelled examples, 1 rules",
            "writes to desk (sandbox_help_desk)",
            "told by Prefect's event alone, as docs/how-to/tell-people-by-prefect.md says: the lead",
            "fake-model: threshold 0.500, proven on 100 labelled items",
        ]

    def test_check_of_a_policy_without_routes_says_what_decides(self, terminal):
        lines = [
            line.strip() for line in terminal.run("policy", "check", write_orders(terminal.home)).stdout.splitlines()
        ]
        assert lines == [
            "tiny version 1 holds, mode auto",
            "no routes: written once email, order_number are there; from the text: email, order_number, quantity",
            "1 checks, 0 rules",
            "writes to crm (sandbox_crm)",
            "told by Prefect's event alone, as docs/how-to/tell-people-by-prefect.md says: the desk",
        ]

    def test_check_names_nobody_where_every_step_has_a_channel(self, terminal):
        write_people(terminal.home, {"people": {"the lead": {"mail": "lead@example.com"}}})
        ladder = {"steps": [{"to": "the lead", "by": "mail"}]}
        policy = write_tiny(terminal.home, people="people.yaml", escalation=ladder)
        assert "Prefect's event" not in terminal.run("policy", "check", policy).stdout

    def test_standing_of_a_policy_without_routes_tells_what_was_audited(self, terminal):
        shown = terminal.run("policy", "standing", write_orders(terminal.home)).stdout
        assert "fields: nothing audited yet" in shown

    def test_check_shows_each_source_and_the_routes_with_a_threshold_of_their_own(self, terminal):
        policy = write_tiny(terminal.home, alone=0.7, target={"routes": {"billing": 0.01}})
        shown = terminal.run("policy", "check", policy).stdout
        assert "fake-model: threshold 0.500, 0.500 for billing, proven on 100 labelled items" in shown
        assert "the examples alone: threshold 0.700, 0.700 for billing, proven on 100 labelled items" in shown

    def test_check_says_when_nothing_is_proven(self, terminal):
        (terminal.home / "tiny.calibration.json").unlink()
        assert "no threshold is proven" in terminal.run("policy", "check", terminal.policy).stdout

    def test_a_fault_is_told_with_file_line_and_mend(self, terminal):
        path = Path(terminal.policy)
        lines = path.read_text(encoding="utf-8").replace("escalation:", "escalatoin:").splitlines()
        path.write_text("\n".join(lines), encoding="utf-8")
        line = 1 + next(number for number, text in enumerate(lines) if text.startswith("escalatoin"))
        told = terminal.told("policy", "check", terminal.policy)
        assert told.startswith("PolicyInvalid ")
        assert f"{path}:{line}: escalatoin: " in told
        assert "Did you mean 'escalation'?" in told

    def test_a_destination_without_a_connector_is_told_with_those_that_there_are(self, terminal):
        raw = yaml.safe_load(Path(terminal.policy).read_text(encoding="utf-8"))
        raw["destinations"]["desk"]["system"] = "sandbox_fax"
        Path(terminal.policy).write_text(yaml.safe_dump(raw), encoding="utf-8")
        told = terminal.told("policy", "check", terminal.policy)
        assert "destinations.desk: system 'sandbox_fax' is unknown" in told
        assert "Use one of: sandbox_crm, sandbox_help_desk" in told

    def test_check_shows_what_is_read(self, terminal):
        table = {"source": "sql_table", "options": {"table": "leads", "key": "id", "updated_at": "changed"}}
        policy = write_tiny(terminal.home, intake={"sources": ["imap", table]})
        assert "reads imap, sql_table (id, leads, changed)" in terminal.run("policy", "check", policy).stdout

    @pytest.mark.parametrize(
        ("sources", "told"),
        [
            (["fax"], "intake.sources.0: source 'fax' is unknown. Use one of: imap, folder"),
            (["imap", {"source": "hubspot"}], "intake.sources.1: options: give 'object', HubSpot object whose"),
            ([{"source": "imap", "options": {"folder": "x"}}], "intake.sources.0: options: no 'folder'; use since"),
            (["imap", {"source": "imap"}], "intake.sources.1: reads what intake.sources.0 reads; remove one of them"),
        ],
        ids=["unknown", "missing option", "unknown option", "twice"],
    )
    def test_a_source_that_cannot_be_read_is_told_with_the_mend(self, terminal, sources, told):
        policy = write_tiny(terminal.home, intake={"sources": sources})
        assert told in terminal.told("policy", "check", policy)

    def test_standing_shows_how_the_sources_answer(self, terminal):
        policy = write_tiny(terminal.home, intake={"sources": ["imap", "folder"]})
        since = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
        with terminal.store.transaction() as tx:
            refused = failed(SourceState(), Unauthorised("wrong [password]"), since)
            tx.sources.put("tiny/imap", "tiny", "imap", refused, since)
            tx.cursors.move("tiny/folder", "{}", since)
        shown = terminal.run("policy", "standing", policy).stdout
        assert "reads imap: nothing yet; refused since 2026-03-02 09:00 UTC: wrong [password]" in shown
        assert "reads folder: something new last at 2026-03-02 09:00 UTC\n" in shown

    def test_versions_tell_what_waits_under_each_and_what_it_said(self, terminal):
        before = Path(terminal.policy).read_text(encoding="utf-8")
        begin_version(terminal)
        terminal.accept("m-1")
        terminal.decide()
        write_tiny(terminal.home, description="another text")
        begin_version(terminal)
        old, new = terminal.run("policy", "versions", terminal.policy).stdout.splitlines()
        assert old.endswith("UTC; 1 reviews wait under it")
        assert new.endswith("UTC, its file of today; 0 reviews wait under it")
        assert terminal.run("policy", "versions", terminal.policy, "--show", old[:12]).stdout == before

    def test_one_that_is_not_there_is_told_with_the_shipped_ones(self, terminal):
        known = "one of: crm_helpdesk_sync, lead_routing, onboarding, order_intake, order_processing, support_triage"
        assert known in terminal.told("policy", "check", "lead_rooting")

    def test_the_schema_takes_the_shipped_policies_and_no_others(self, terminal):
        for name in shipped_policies():
            workflow = load_workflow(name)
            kind = ["--cases"] if workflow.cases else ["--sync"] if workflow.sync else []
            schema = json.loads(terminal.run("policy", "schema", *kind).stdout)
            jsonschema.Draft202012Validator.check_schema(schema)
            policy = yaml.safe_load(find_policy(name).read_text(encoding="utf-8"))
            jsonschema.validate(policy, schema)
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(policy | {"colour": "red"}, schema)


class TestLedgerVerify:
    def test_an_empty_one_holds(self, terminal):
        assert terminal.run("ledger", "verify").stdout.startswith("The ledger holds: 0 entries")

    def test_one_that_nobody_touched_holds(self, terminal):
        terminal.accept("1")
        terminal.decide()
        assert terminal.run("ledger", "verify").stdout.startswith("The ledger holds: 3 entries")

    @pytest.mark.parametrize(
        ("tampering", "entry"),
        [
            ("""UPDATE ledger SET facts = '{"by": "me"}' WHERE seq = 2""", 2),
            ("UPDATE ledger SET at = '2026-01-01 00:00:00' WHERE seq = 3", 3),
            ("UPDATE ledger SET item_id = 'it-another' WHERE seq = 1", 1),
            ("DELETE FROM ledger WHERE seq = 2", 2),
            ("DELETE FROM ledger WHERE seq = 1", 1),
        ],
    )
    def test_an_entry_that_was_changed_or_removed_is_named(self, terminal, tampering, entry):
        for number in range(4):
            terminal.accept(str(number), f"hello {number}")
        terminal.past_the_store(tampering)
        told = terminal.told("ledger", "verify", code=EXIT_FAULT)
        assert told.startswith(f"The chain is broken at entry {entry}:")

    @pytest.mark.parametrize(
        "tampering",
        [
            "DELETE FROM ledger WHERE seq >= 3",
            "DELETE FROM ledger",
            "UPDATE ledger_head SET seq = 3",
            "UPDATE ledger_head SET seq = 0",
            "UPDATE ledger_head SET hash = previous FROM ledger WHERE ledger.seq = 4",
        ],
    )
    def test_an_end_that_is_not_the_one_on_record_is_told(self, terminal, tampering):
        for number in range(4):
            terminal.accept(str(number), f"hello {number}")
        terminal.past_the_store(tampering)
        assert terminal.told("ledger", "verify", code=EXIT_FAULT).startswith("The chain is broken at its end:")

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE ledger SET event = 'forged'",
            "UPDATE ledger SET facts = 'no json'",
            "UPDATE ledger SET at = 'never'",
        ],
    )
    def test_an_entry_that_became_unreadable_is_told_and_no_trace_is_shown(self, terminal, change):
        terminal.accept("1")
        terminal.past_the_store(change)
        assert "unreadable" in terminal.told("ledger", "verify", code=EXIT_FAULT)


class TestLedgerShow:
    def test_a_story_is_found_by_id_by_its_beginning_and_by_the_senders_id(self, terminal):
        item = terminal.accept("wf-1")
        terminal.decide()
        stories = {terminal.run("ledger", "show", name).stdout for name in (item, item[:9], "wf-1")}
        (story,) = stories
        assert story.startswith(f"{item}, ")
        assert "Came in from test as wf-1 and was stored for tiny." in story
        assert "Left to a person" in story

    def test_a_duplicate_tells_the_original_story(self, terminal):
        item = terminal.accept("wf-1")
        terminal.accept("wf-2")
        assert f"{item}, " in terminal.run("ledger", "show", "wf-2").stdout

    @pytest.mark.parametrize("name", ["wf-9", "%", "[/bold]"])
    def test_an_unknown_name_is_told(self, terminal, name):
        terminal.accept("wf-1")
        assert terminal.told("ledger", "show", name) == f"No items fit '{name}'. Give an item's id or its external id."

    def test_a_name_that_fits_several_is_told_with_them(self, terminal):
        one, other = terminal.accept("1"), terminal.accept("2", "something else")
        told = terminal.told("ledger", "show", "it-")
        assert told.startswith("2 items fit 'it-'")
        assert one in told
        assert other in told

    def test_what_a_sender_wrote_is_shown_as_it_stands(self, terminal):
        terminal.accept("[red]1[/red] [/]")
        assert "[red]1[/red] [/]" in terminal.run("ledger", "show", "[red]1[/red] [/]").stdout


class TestLedgerExport:
    def test_each_entry_is_a_line_of_json_on_stdout(self, terminal):
        item = terminal.accept("1", "grüße")
        terminal.decide()
        lines = [json.loads(line) for line in terminal.run("ledger", "export").stdout.splitlines()]
        assert [line["seq"] for line in lines] == [1, 2, 3]
        assert {line["item_id"] for line in lines} == {item}
        assert all(later["previous"] == earlier["hash"] for earlier, later in pairwise(lines))

    def test_a_file_holds_the_same_and_the_count_goes_to_stderr(self, terminal):
        terminal.accept("1")
        terminal.decide()
        target = terminal.home / "ledger.jsonl"
        result = terminal.run("ledger", "export", str(target))
        assert result.stdout == ""
        assert "".join(result.stderr.split()) == "".join(f"3 entries written to {target}".split())
        assert target.read_text(encoding="utf-8") == terminal.run("ledger", "export").stdout

    def test_an_empty_ledger_gives_an_empty_file(self, terminal):
        target = terminal.home / "ledger.jsonl"
        terminal.run("ledger", "export", str(target))
        assert target.read_text(encoding="utf-8") == ""


class TestReviewsList:
    def test_says_when_nothing_waits(self, terminal):
        assert terminal.run("reviews", "list").stdout == "Nothing waits for a person.\n"

    def test_shows_item_reason_proposal_and_message_as_it_was_written(self, terminal):
        item = terminal.accept("1", "[/b] hello")
        terminal.accept("2", "an invoice goes by rule")
        terminal.decide()
        shown = terminal.run("reviews", "list").stdout
        assert len(re.findall("it-", shown)) == 1
        assert all(word in shown for word in (item, "tiny", "access", "[/b]"))

    def test_what_was_drawn_for_the_blind_audit_shows_no_proposal(self, terminal):
        item = terminal.accept("1")
        terminal.decide(drawn=True)
        shown = terminal.run("reviews", "list").stdout
        assert item in shown
        assert "access" not in shown

    def test_another_policys_are_left_out(self, terminal):
        terminal.accept("1")
        terminal.decide()
        assert terminal.run("reviews", "list", "--policy", "another").stdout == "Nothing waits for a person.\n"


class TestReviewsShow:
    def test_it_prints_the_form_with_what_can_be_chosen(self, terminal):
        terminal.accept("wf-1", "my printer [bold]\u202efails")
        terminal.decide()
        shown = terminal.run("reviews", "show", "wf-1").stdout
        assert "my printer [bold] fails" in shown
        assert "Route: one of access, billing, none_of_these" in shown


class TestReviewsDecide:
    @pytest.fixture
    def item(self, terminal: Terminal) -> str:
        item = terminal.accept("wf-1")
        terminal.decide()
        return item

    def test_an_answer_decides_and_queues_the_write(self, terminal, item):
        shown = terminal.run("reviews", "decide", "wf-1", "billing", "--reviewer", "Ann", "--note", "by phone").stdout
        assert shown == "Decided: billing. The write goes out with the next run or 'interlock outbox drain'.\n"
        assert terminal.events(item)[-2:] == ["decided", "queued"]
        assert terminal.run("reviews", "list").stdout == "Nothing waits for a person.\n"
        assert "by Ann" in terminal.run("ledger", "show", item).stdout

    def test_none_of_these_ends_the_item_unwritten(self, terminal, item):
        shown = terminal.run("reviews", "decide", item, "none_of_these", "--reviewer", "Ann").stdout
        assert shown == "Decided: nothing is written.\n"
        assert "queued" not in terminal.events(item)

    @pytest.mark.parametrize(
        ("choice", "reviewer", "why"),
        [("nowhere", "Ann", "not among the choices"), ("billing", "  ", "fill in your name")],
    )
    def test_an_answer_that_settles_nothing_is_recorded_and_the_review_waits_on(
        self, terminal, item, choice, reviewer, why
    ):
        assert why in terminal.told("reviews", "decide", item, choice, "--reviewer", reviewer)
        assert terminal.events(item)[-1] == "answer_refused"
        assert item in terminal.run("reviews", "list").stdout

    def test_a_name_beyond_all_measure_is_told(self, terminal, item):
        assert "reviewer: " in terminal.told("reviews", "decide", item, "billing", "--reviewer", "A" * 300)

    def test_a_text_that_nobody_asked_for_is_refused(self, terminal, item):
        command = ("reviews", "decide", item, "billing", "--reviewer", "Ann", "--input")
        assert "is not NAME=TEXT" in terminal.told(*command, "phone")
        assert "not asked for" in terminal.told(*command, "phone=1=2")

    def test_what_was_shown_is_checked_where_it_is_said(self, terminal, item):
        shown = terminal.run("reviews", "show", item).stdout.rpartition("Shown: ")[2][:8]
        command = ("reviews", "decide", item, "billing", "--reviewer", "Ann", "--shown")
        assert "has changed since" in terminal.told(*command, "0" * 8)
        assert terminal.run(*command, shown).stdout.startswith("Decided: billing.")
        assert "decided this already" in terminal.told("reviews", "decide", item, "access", *command[4:], shown)

    def test_a_reviewer_is_required(self, terminal, item):
        assert "--reviewer" in terminal.told("reviews", "decide", item, "billing")

    def test_the_first_answer_wins(self, terminal, item):
        terminal.run("reviews", "decide", item, "billing", "--reviewer", "Ann")
        told = terminal.told("reviews", "decide", item, "access", "--reviewer", "Bob")
        assert "decided this already. It was Ann, who chose billing." in told
        assert "It was Ann, who chose billing." in terminal.told("reviews", "show", item)
        assert terminal.events(item).count("queued") == 1

    def test_an_escalated_review_can_still_be_answered(self, terminal, item):
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        with terminal.store.transaction() as tx:
            assert [row.item_id for row in tx.reviews.mark_late("tiny", tomorrow)] == [item]
        terminal.run("reviews", "decide", item, "billing", "--reviewer", "Ann")

    def test_a_late_answer_must_say_that_it_knows_so(self, terminal, item):
        with terminal.store.transaction() as tx:
            tx.reviews.get(item).due_at = datetime.now(UTC) - timedelta(minutes=1)
        assert " late " in terminal.run("reviews", "list").stdout
        assert "Add --late." in terminal.told("reviews", "decide", item, "billing", "--reviewer", "Ann")
        terminal.run("reviews", "decide", item, "billing", "--reviewer", "Ann", "--late")
        assert terminal.events(item)[-2:] == ["decided", "queued"]

    @pytest.mark.parametrize("name", ["nobody", "it-"])
    def test_what_is_not_one_review_is_told(self, terminal, item, name):
        terminal.accept("2", "not decided yet")
        assert "reviews list" in terminal.told("reviews", "decide", name, "billing", "--reviewer", "Ann")
        assert "decided" in terminal.events(item)


class TestEscalations:
    @pytest.fixture
    def escalation(self, terminal):
        with terminal.store.transaction() as tx:
            facts = (tx, Cause.SOURCE_UNREADABLE, "imap", "tiny", "the source [imap] cannot be read")
            here = escalate(*facts, datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
            escalate(*facts, datetime(2026, 3, 2, 9, 5, tzinfo=UTC))
        return here

    def test_nothing_to_acknowledge_is_said(self, terminal):
        assert terminal.run("escalations", "list").stdout == "Nothing waits to be acknowledged.\n"

    def test_what_waits_is_listed_with_what_is_known_of_it(self, terminal, escalation):
        assert terminal.run("escalations", "list", "--policy", "tiny").stdout.splitlines() == [
            f"{escalation}  tiny: the source [imap] cannot be read",
            "    seen 2 times since 2026-03-02 09:00 UTC; told: nobody yet",
        ]

    def test_who_was_told_is_listed(self, terminal, escalation):
        with terminal.store.transaction() as tx:
            row = tx.escalations.get(escalation)
            tx.escalations.gave([row], 0, LadderStep(to="the lead"), {}, Why.BEGUN, row.began_at)
            tx.escalations.gave([row], 1, LadderStep(to="the head"), {"the head": None}, Why.BEGUN, row.began_at)
        told = "the lead by prefect (not reached), the head by prefect"
        assert told in terminal.run("escalations", "list").stdout

    def test_who_acknowledges_takes_it_over_and_the_first_one_counts(self, terminal, escalation):
        shown = terminal.run("escalations", "acknowledge", escalation[:8], "--by", "Ada").stdout
        assert shown == f"{escalation} is yours; nobody else is told.\n"
        again = terminal.told("escalations", "acknowledge", escalation, "--by", "Ben")
        assert f"{escalation}: Ada has taken it over." in again
        assert "Ada (name as given) takes" in terminal.run("ledger", "show", escalation).stdout

    def test_what_is_over_cannot_be_taken_over(self, terminal, escalation):
        with terminal.store.transaction() as tx:
            tx.escalations.resolve(Cause.SOURCE_UNREADABLE, "imap", "it can be read again", datetime.now(UTC))
        assert "It is over." in terminal.told("escalations", "acknowledge", escalation, "--by", "Ada")

    @pytest.mark.parametrize(
        ("arguments", "told"), [(("es-none", "--by", "Ada"), "is not one escalation"), (("es-", "--by", " "), "a name")]
    )
    def test_no_such_escalation_and_no_name_are_told(self, terminal, escalation, arguments, told):
        assert told in terminal.told("escalations", "acknowledge", *arguments)


class TestReviewsLink:
    SECRET = "s" * 32

    @pytest.fixture
    def item(self, terminal: Terminal) -> str:
        item = terminal.accept("wf-1")
        terminal.decide()
        return item

    def test_without_a_secret_no_link_is_made_and_that_is_said(self, terminal, item):
        assert "INTERLOCK_LINK_SECRET" in terminal.told("reviews", "link", item, "--for", "Ann")

    def test_a_link_to_a_review_is_printed_for_one_person(self, terminal, item, monkeypatch):
        monkeypatch.setenv("INTERLOCK_LINK_SECRET", self.SECRET)
        monkeypatch.setenv("INTERLOCK_PUBLIC_URL", "https://reviews.example.com")
        address, _, text = terminal.run("reviews", "link", "wf-1", "--for", "Ann").stdout.strip().partition("?key=")
        assert address == f"https://reviews.example.com/reviews/{item}"
        key = unseal(text, Purpose.REVIEW, [self.SECRET.encode()], datetime.now(UTC))
        assert (key.reviewer, key.about) == ("Ann", item)

    def test_a_link_into_the_queue_needs_no_review(self, terminal, monkeypatch):
        monkeypatch.setenv("INTERLOCK_LINK_SECRET", self.SECRET)
        made = terminal.run("reviews", "link", "--for", "Ann")
        assert made.stdout.startswith("http://127.0.0.1:8710/reviews/login?key=")
        assert "INTERLOCK_PUBLIC_URL is not set" in made.stderr

    def test_there_is_none_to_what_was_decided(self, terminal, item, monkeypatch):
        monkeypatch.setenv("INTERLOCK_LINK_SECRET", self.SECRET)
        terminal.run("reviews", "decide", item, "billing", "--reviewer", "Ann")
        assert "decided this already" in terminal.told("reviews", "link", item, "--for", "Bob")


class TestOutbox:
    def test_draining_an_empty_one_tries_nothing(self, terminal):
        assert terminal.run("outbox", "drain").stdout == "0 tries made.\n"

    def test_draining_sends_what_is_due_once(self, connected, systems):
        item = connected.accept("1", "my invoice is wrong")
        connected.decide()
        assert connected.run("outbox", "drain").stdout == "1 tries made.\n"
        assert connected.run("outbox", "drain").stdout == "0 tries made.\n"
        with connected.store.reading() as tx:
            assert tx.outbox.confirmed() <= systems.operation_ids()
        assert connected.events(item)[-1] == "attempted"

    def test_draining_does_not_wait_for_what_is_put_off_longer_than_asked(self, terminal):
        terminal.patch.setenv(HELP_DESK_URL.name, f"http://127.0.0.1:{free_port()}")
        self.change_patience(terminal, attempts=9, first_delay_s=100, longest_delay_s=100)
        terminal.accept("1", "my invoice is wrong")
        terminal.decide()
        assert terminal.run("outbox", "drain", "--wait-s", "1").stdout == "1 tries made.\n"

    def test_a_dead_letter_goes_out_after_a_retry(self, terminal, systems):
        item = self.dead_letter(terminal)
        shown = terminal.run("outbox", "retry", item[:10]).stdout
        assert shown == "1 writes put back; 'interlock outbox drain' sends them.\n"
        terminal.patch.setenv(HELP_DESK_URL.name, systems.addresses["help_desk"])
        assert terminal.run("outbox", "drain").stdout == "2 tries made.\n", "it is looked up before it is sent"
        with terminal.store.reading() as tx:
            assert tx.accounts.balance().done == 1
        assert "Written to desk: created" in terminal.run("ledger", "show", item).stdout

    def test_a_retry_of_what_is_no_dead_letter_puts_nothing_back(self, terminal):
        item = terminal.accept("1")
        assert terminal.run("outbox", "retry", item).stdout.startswith("0 writes put back")

    def test_a_retry_of_what_is_not_one_item_is_told(self, terminal):
        assert terminal.told("outbox", "retry", "nobody") == "InputInvalid 'nobody' is not one item or notice"

    def test_all_that_was_given_up_for_a_system_goes_back_and_the_ledger_says_by_whom(self, terminal):
        item = self.dead_letter(terminal)
        assert terminal.run("outbox", "retry", "--system", "slack").stdout.startswith("0 writes put back")
        shown = terminal.run("outbox", "retry", "--system", "sandbox_help_desk", "--by", "Ann").stdout
        assert shown == "1 writes put back; 'interlock outbox drain' sends them.\n"
        assert terminal.events(item)[-1] == "put_back"
        assert "was put back by Ann (name as given)" in terminal.run("ledger", "show", item).stdout

    def test_a_retry_without_an_item_or_a_system_is_told_what_to_name(self, terminal):
        assert "name an item, or with --system" in terminal.told("outbox", "retry")

    def test_a_retry_that_would_overwrite_newer_values_is_refused_until_it_is_said_to_end(self, terminal):
        item, newer = self.overtaken(terminal)
        told = terminal.told("outbox", "retry", item)
        assert f"a later write, of item {newer}, has gone out to record 'ann'" in told
        assert terminal.events(item)[-1] == "dead_lettered"
        assert "give your name with --by" in terminal.told("outbox", "retry", item, "--supersede")

        shown = terminal.run("outbox", "retry", item, "--supersede", "--by", "Ann").stdout
        assert shown.startswith("0 writes put back")
        assert "1 were ended, for a later write has taken their place" in shown
        assert terminal.events(item)[-1] == "superseded"
        assert terminal.run("outbox", "drain").stdout == "0 tries made.\n"

    def overtaken(self, terminal: Terminal) -> tuple[str, str]:
        """Two items that write to one record: the first was given up, the second went out since."""
        old, newer = terminal.accept("old"), terminal.accept("new", "other words")
        now = datetime.now(UTC)
        for item, outcome, step in (
            (old, RetryAfter(detail="down"), Step.DEAD_LETTER),
            (newer, Written(kind="updated", external_id="7"), Step.DONE),
        ):
            write = Operation(
                operation_id=operation_id(item, "crm"),
                item_id=item,
                policy="tiny",
                destination="crm",
                system="sandbox_crm",
                record_key="ann",
                values={"phone": "1"},
            )
            with terminal.store.transaction() as tx:
                tx.outbox.put(write, Patience(), now)
                (due,) = tx.outbox.claim(1, timedelta(minutes=1), now)
                tx.outbox.settle(due, outcome, NextStep(step=step, at=now, reason="so it was"), now)
        return old, newer

    def dead_letter(self, terminal: Terminal) -> str:
        """An item whose write was given up after one try."""
        item = terminal.accept("given up", "my invoice is wrong")
        terminal.decide()
        now, down = datetime.now(UTC), RetryAfter(detail="the desk is down")
        with terminal.store.transaction() as tx:
            (due,) = tx.outbox.claim(1, timedelta(minutes=1), now)
        with terminal.store.transaction() as tx:
            tx.outbox.settle(due, down, NextStep(step=Step.DEAD_LETTER, at=now, reason="gave up"), now)
        assert terminal.events(item)[-1] == "dead_lettered"
        return item

    def change_patience(self, terminal: Terminal, **patience: float) -> None:
        raw = yaml.safe_load(Path(terminal.policy).read_text(encoding="utf-8"))
        raw["destinations"]["desk"]["patience"] = patience
        Path(terminal.policy).write_text(yaml.safe_dump(raw), encoding="utf-8")


class TestSetUp:
    def test_a_database_url_that_is_none_is_told_without_a_trace(self, terminal):
        terminal.patch.setenv("INTERLOCK_DATABASE_URL", "the blue one")
        for command in (("ledger", "verify"), ("reviews", "list"), ("outbox", "drain")):
            assert "sqlite:///PATH" in terminal.told(*command)


class TestNotices:
    """What people are told has a story and writes of its own, by an id that is no item's."""

    @pytest.fixture
    def notice(self, terminal: Terminal) -> str:
        """One to an assignee that was given up."""
        to = Recipient(name="Ann", address="ann@example.com")
        write = assignment("as-12ab", "tiny", Channel.MAIL, to, ("a review is yours", "…"), Invitation())
        now = datetime.now(UTC)
        with terminal.store.transaction() as tx:
            tx.outbox.put(write, PATIENCE, now)
            (due,) = tx.outbox.claim(1, timedelta(seconds=9), now)
            refused = Invalid(detail="no such user")
            step = next_step(refused, write.operation_id, due.tries, due.patience, now)
            assert tx.outbox.settle(due, refused, step, now)
        return write.item_id

    def test_its_story_is_told(self, terminal, notice):
        story = terminal.run("ledger", "show", "as-").stdout
        assert f"{notice}, " in story
        assert "The write to notice to Ann was given up and needs mending: no such user" in story

    def test_it_is_put_back(self, terminal, notice):
        assert terminal.run("outbox", "retry", "as-12").stdout.startswith("1 writes put back")

    def test_what_is_neither_an_item_nor_a_notice_is_not_found(self, terminal, notice):
        assert "'as-9' is not one item or notice" in terminal.told("outbox", "retry", "as-9")


ANN = "ann.gruen@example.com"


def test_erase_shows_what_would_go_and_takes_nothing(terminal):
    item = terminal.accept("m-1", "an invoice, please", ANN)
    terminal.decide()
    terminal.past_the_store("UPDATE outbox SET state = 'done'")

    shown = terminal.run("erase", "--email", ANN)

    assert item in shown.stdout
    assert "Nothing was erased" in shown.stderr
    assert "erased" not in terminal.events(item)


def test_erase_takes_all_that_names_a_person_and_the_ledger_tells_how_much_and_why(terminal):
    terminal.accept("m-1", f"an invoice for {ANN}, please", ANN)
    terminal.decide()
    terminal.past_the_store("UPDATE outbox SET state = 'done'")

    told = terminal.run("erase", "--email", ANN, "--by", "Ada", "--reason", "she asked us to", "--yes")

    assert "Erased: 1 items" in told.stdout
    assert "of them erased" in terminal.run("ledger", "verify").stdout
    assert ANN.encode() not in b"".join(file.read_bytes() for file in terminal.home.glob("interlock.db*"))
    assert "she asked us to" in terminal.run("ledger", "export").stdout
    again = terminal.run("erase", "--email", ANN, "--by", "Ada", "--reason", "she asked us to", "--yes")
    assert "Nothing is kept that names them" in again.stdout


def test_erase_refuses_what_is_not_done(terminal):
    item = terminal.accept("m-1", "hello", ANN)
    waits = terminal.run("erase", item, "--by", "Ada", "--reason", "asked", "--yes", code=EXIT_FAULT)
    assert f"must end first item {item} is not done: it waits" in " ".join(waits.stderr.split())
    assert terminal.events(item) == ["accepted"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name items, or a person"),
        (("--email", "ann"), "an e-mail address has an @"),
        (("--email", ANN, "--yes"), "give your name with --by"),
        (("--email", ANN, "--yes", "--by", "Ada", "--reason", f"{ANN} wrote"), "do not name the person"),
    ],
)
def test_erase_says_what_it_needs_to_know(terminal, arguments, told):
    assert told in terminal.told("erase", *arguments)


def test_who_erases_without_a_word_is_found_out(terminal):
    terminal.accept("m-1", "hello", ANN)
    with terminal.store.transaction() as tx:
        row = tx.session.exec(select(EntryRow)).one()
        gone = erased(Entry(**row.model_dump()))
        row.facts, row.sealed = gone.facts, gone.sealed.model_dump(mode="json")

    told = terminal.run("ledger", "verify", code=EXIT_FAULT).stderr

    assert "1 entries are erased, and the ledger tells of 0" in " ".join(told.split())
