"""The people file, and the names that a policy takes from it."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import write_orders, write_people, write_tiny

from domain.business_time import Span, Weekday
from domain.delivery import Invitation, Operation
from domain.errors import PolicyInvalid
from domain.escalation import Matter, Why
from domain.people import Absence, Channel, Recipient
from policies.load import load_workflow, shipped_policies
from policies.notices import LONGEST_SUBJECT, assignment, messages
from policies.people import load_people

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PEOPLE = """\
calendars:
  office:
    zone: Europe/Berlin
    hours: {mon-thu: ["09:00-12:00", "13:00-17:00"], sat: ["10:00-24:00"]}
    holidays: [2026-12-25]
teams:
  sales: {slack: C0123456789}
people:
  sales lead:
    mail: lead@example.com
    teams: [sales]
    calendar: office
    limit: 3
    absences: [{from: 2026-08-03, to: 2026-08-14}]
  night desk: {slack: D0123456789}
"""


def written(folder: Path, text: str = PEOPLE) -> Path:
    path = folder / "people.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_people_are_read_with_what_they_can_be_asked(tmp_path):
    people = load_people(written(tmp_path)).everybody
    lead, desk = people.people
    assert (lead.name, lead.addresses, lead.limit) == ("sales lead", {Channel.MAIL: "lead@example.com"}, 3)
    assert lead.absences == (Absence(first=date(2026, 8, 3), last=date(2026, 8, 14)),)
    assert lead.calendar.hours[Weekday.MON] == (Span(opens=540, closes=720), Span(opens=780, closes=1020))
    assert lead.calendar.hours[Weekday.SAT] == (Span(opens=600, closes=1440),)
    assert Weekday.FRI not in lead.calendar.hours
    assert lead.calendar.holidays == {date(2026, 12, 25)}
    assert desk.at_work(NINE)
    assert people.members("sales") == (lead,)


BROKEN = [
    pytest.param("limit: 3", "limt: 3", "Did you mean 'limit'?", id="an unknown key"),
    pytest.param("teams: [sales]", "teams: [sails]", "'sales lead' is in no team 'sails'", id="an unknown team"),
    pytest.param("calendar: office", "calendar: home", "has no calendar 'home'", id="an unknown calendar"),
    pytest.param("night desk:", "sales:", "'sales' is a person and a team", id="one name for two"),
    pytest.param("lead@example.com", "lead", "people.sales lead.mail", id="no address"),
    pytest.param("C0123456789", '"#sales"', "teams.sales.slack", id="a channel's name"),
    pytest.param("to: 2026-08-14", "to: 2026-08-01", "turn the days around", id="an absence that ends first"),
    pytest.param("mon-thu", "thu-mon", "runs backwards", id="days that run backwards"),
    pytest.param("mon-thu", "monday", "calendars.office.hours.monday", id="no weekday"),
    pytest.param("sat:", "tue:", "tue is given twice", id="a day twice"),
    pytest.param("09:00-12:00", "9-12", "not working hours", id="no hours"),
    pytest.param("09:00-12:00", "12:00-09:00", "end before they begin", id="hours that end first"),
    pytest.param("09:00-12:00", "09:00-14:00", "overlap", id="hours that overlap"),
    pytest.param("Europe/Berlin", "Europe/Rome-ish", "unknown time zone", id="no time zone"),
]


@pytest.mark.parametrize(("right", "wrong", "says"), BROKEN)
def test_what_is_wrong_is_said_with_its_place(tmp_path, right, wrong, says):
    assert right in PEOPLE
    path = written(tmp_path, PEOPLE.replace(right, wrong, 1))
    with pytest.raises(PolicyInvalid) as caught:
        load_people(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


TWO: dict[str, Any] = {
    "teams": {"desk": {"slack": "C01"}, "nobody yet": {}},
    "people": {"the lead": {"mail": "a@b.c", "teams": ["desk"]}},
}
LOST = [
    pytest.param({"to": "the lead", "by": "slack"}, {}, "'the lead' has no slack address", id="no such address"),
    pytest.param({"to": "Nobody", "by": "mail"}, {}, "'Nobody' has no mail address", id="nobody of that name"),
    pytest.param({"to": "desk", "by": "slack", "on_shift": True}, {}, "'desk' has no slack", id="a shift without one"),
    pytest.param({"to": "the lead", "by": "mail", "on_shift": True}, {}, "'on_shift' goes with a team", id="no team"),
    pytest.param({"to": "x"}, {"team": "nobody yet"}, "nobody in the people file is in the team", id="an empty team"),
    pytest.param(
        {"to": "x"},
        {"team": "desk", "overload": "widen", "next_team": "them"},
        "the team 'them'",
        id="a next team that is not there",
    ),
    pytest.param(
        {"to": "x"},
        {"team": "desk", "tell": "slack"},
        r"review\.assign\.tell: 'the lead' of the team 'desk' has no slack address",
        id="an assignee who cannot be told",
    ),
]


def test_rules_that_decide_nothing_relieve_nobody(tmp_path):
    write_people(tmp_path, TWO)
    told = {"people": "people.yaml", "review": {"assign": {"team": "desk", "overload": "rules"}}}
    write_tiny(tmp_path, **told)
    says = r"review\.assign\.overload: no rule names what is to be done"
    with pytest.raises(PolicyInvalid, match=says):
        write_tiny(tmp_path, **told, rules=[{"name": "legal", "when": 'text =~~ "lawyer"', "action": "person"}])
    with pytest.raises(PolicyInvalid, match=says):
        load_workflow(write_orders(tmp_path, **told))


@pytest.mark.parametrize(("step", "assign", "says"), LOST)
def test_whom_a_policy_names_must_be_there_and_reachable(tmp_path, step, assign, says):
    write_people(tmp_path, TWO)
    review = {"review": {"assign": assign}} if assign else {}
    with pytest.raises(PolicyInvalid, match=says):
        write_tiny(tmp_path, people="people.yaml", escalation={"steps": [step]}, **review)


def test_whom_it_names_can_be_told(tmp_path):
    write_people(tmp_path, TWO)
    steps = [
        {"to": "desk", "by": "slack"},
        {"to": "desk", "by": "mail", "on_shift": True},
        {"to": "anybody at all", "by": "prefect"},
    ]
    assign = {"team": "desk", "tell": "mail"}
    path = write_tiny(tmp_path, people="people.yaml", escalation={"steps": steps}, review={"assign": assign})
    assert [person.name for person in load_workflow(path).people.people] == ["the lead"]


def test_by_another_channel_than_prefects_event_it_takes_a_people_file(tmp_path):
    with pytest.raises(PolicyInvalid, match="has no mail address in the people file"):
        write_tiny(tmp_path, escalation={"steps": [{"to": "the lead", "by": "mail"}]})


def test_a_people_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PolicyInvalid, match=r"people: no such file: .*others\.yaml"):
        write_tiny(tmp_path, people="others.yaml")


def test_a_ladder_climbs_in_the_time_of_a_calendar_that_the_policy_has(tmp_path):
    office = {"zone": "UTC", "hours": {"mon": ["09:00-17:00"]}}
    ladder = {"to": "the lead", "calendar": "office"}
    policy = load_workflow(write_tiny(tmp_path, calendars={"office": office}, escalation=ladder)).policy
    assert list(policy.ladder_time.hours) == [Weekday.MON]
    with pytest.raises(PolicyInvalid, match=r"escalation\.calendar: no calendar 'office'"):
        write_tiny(tmp_path, escalation=ladder)


@pytest.mark.parametrize("name", shipped_policies())
def test_the_shipped_policies_name_roles_and_no_addresses(name):
    workflow = load_workflow(name)
    assert workflow.people.people
    assert not any(person.addresses for person in workflow.people.people)
    assert {step.to for step in workflow.policy.escalation.all_steps} <= {
        person.name for person in workflow.people.people
    }


def told(by: Channel, *names: str, message: str = "nobody answered") -> list[Operation]:
    matter = Matter(escalation_id="es-1", message=message, occurrences=1, began_at=NINE)
    recipients = [Recipient(name=name, address=f"{name}@example.com") for name in names]
    return messages("tiny", by, recipients, 2, [matter], Why.BEGUN)


def test_a_mail_has_a_subject_and_a_slack_message_its_channel():
    (mail,), (post,) = told(Channel.MAIL, "ann"), told(Channel.SLACK, "ann")
    assert (mail.system, mail.values["to"], mail.values["subject"]) == (
        "smtp",
        "ann@example.com",
        "tiny: nobody answered",
    )
    assert (post.system, post.options, list(post.values)) == ("slack", {"channel": "ann@example.com"}, ["text"])
    assert mail.values["body"] == post.values["text"]


def test_what_an_assignee_is_told_is_a_write_of_nobodys_item():
    ann = Recipient(name="ann", address="ann@example.com")
    write = assignment("as-1", "tiny", Channel.MAIL, ann, ("yours", "to be decided"), Invitation(reviewer="ann"))
    assert (write.item_id, write.system, write.values["subject"]) == ("as-1", "smtp", "yours")


def test_prefects_event_alone_is_no_write():
    assert told(Channel.PREFECT, "ann") == []


def test_each_recipient_has_a_write_of_their_own_that_waits_for_no_other():
    one, two = told(Channel.MAIL, "ann", "ben")
    assert one.operation_id != two.operation_id
    assert one.record_key != two.record_key
    assert one.item_id == two.item_id == "es-1"


def test_a_subject_has_an_end():
    (mail,) = told(Channel.MAIL, "ann", message="x" * 400)
    assert len(mail.values["subject"]) == LONGEST_SUBJECT


def test_the_shipped_file_is_yaml_that_a_person_can_read():
    shipped = yaml.safe_load(Path(load_workflow("lead_routing").path).with_name("people.yaml").read_text("utf-8"))
    assert set(shipped) == {"calendars", "teams", "people"}
