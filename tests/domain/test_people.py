"""People: whom a message reaches, and whom nobody should be asked about."""

from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from domain.business_time import Calendar, Span, Weekday
from domain.people import Absence, Channel, People, Person, Recipient, Team

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NIGHTS = Calendar(hours={day: (Span(opens=0, closes=480),) for day in Weekday})
AWAY = (Absence(first=date(2026, 3, 2), last=date(2026, 3, 2)),)
ANN = Person(name="Ann", teams=("sales",), addresses={Channel.MAIL: "ann@example.com", Channel.SLACK: "D01"})
BEN = Person(name="Ben", teams=("sales",), addresses={Channel.MAIL: "ben@example.com"}, calendar=NIGHTS)
CID = Person(name="Cid", teams=("sales",), addresses={Channel.MAIL: "cid@example.com"}, absences=AWAY)
HERE = People(people=(ANN, BEN, CID), teams=(Team(name="sales", addresses={Channel.SLACK: "C01"}),))

REACHED = [
    pytest.param("Ann", Channel.MAIL, False, ["ann@example.com"], id="a person at their address"),
    pytest.param("Ben", Channel.SLACK, False, [], id="nobody without one"),
    pytest.param("Cid", Channel.MAIL, False, [], id="nobody who is away"),
    pytest.param("sales", Channel.SLACK, False, ["C01"], id="a team in its channel"),
    pytest.param("sales", Channel.MAIL, False, ["ann@example.com", "ben@example.com"], id="or each of it who is there"),
    pytest.param("sales", Channel.SLACK, True, ["D01"], id="of a team those on shift, each"),
    pytest.param("sales", Channel.MAIL, True, ["ann@example.com"], id="and nobody out of hours"),
    pytest.param("nobody", Channel.MAIL, False, [], id="nobody who is unknown"),
]


@pytest.mark.parametrize(("to", "by", "on_shift", "addresses"), REACHED)
def test_whom_a_message_reaches(to, by, on_shift, addresses):
    assert [one.address for one in HERE.reached(to, by, NOON, on_shift=on_shift)] == addresses


def test_a_team_is_told_as_a_team():
    assert HERE.reached("sales", Channel.SLACK, NOON) == (Recipient(name="sales", address="C01", shared=True),)


SHARED = [
    pytest.param({Channel.MAIL: "dee@example.com"}, Channel.MAIL, False, id="a mailbox of their own"),
    pytest.param({Channel.SLACK: "D09"}, Channel.SLACK, False, id="a direct conversation"),
    pytest.param({Channel.SLACK: "C09"}, Channel.SLACK, True, id="a channel"),
    pytest.param({Channel.SLACK: "G09"}, Channel.SLACK, True, id="a group"),
    pytest.param({Channel.SLACK: "D01"}, Channel.SLACK, True, id="the conversation that another person has"),
    pytest.param({Channel.MAIL: "Ann@Example.com"}, Channel.MAIL, True, id="another's mailbox, spelt otherwise"),
    pytest.param({Channel.MAIL: "sales@example.com"}, Channel.MAIL, True, id="a team's mailbox"),
]


@pytest.mark.parametrize(("addresses", "by", "shared"), SHARED)
def test_whether_others_can_read_where_somebody_is_reached(addresses, by, shared):
    dee = Person(name="Dee", addresses=addresses)
    office = Team(name="office", addresses={Channel.MAIL: "sales@example.com"})
    here = HERE.model_copy(update={"people": (*HERE.people, dee), "teams": (*HERE.teams, office)})
    assert [one.shared for one in here.reached("Dee", by, NOON)] == [shared]
    assert here.reach(dee, Channel.PREFECT) is None


@pytest.mark.parametrize(
    ("to", "by", "on_shift", "expected"),
    [
        ("sales", Channel.SLACK, False, True),
        ("sales", Channel.SLACK, True, True),
        ("Cid", Channel.MAIL, False, True),
        ("Cid", Channel.SLACK, False, False),
        ("nobody", Channel.MAIL, False, False),
    ],
)
def test_whether_somebody_could_ever_be_reached(to, by, on_shift, expected):
    assert HERE.reachable(to, by, on_shift=on_shift) is expected


def test_a_day_of_absence_is_a_day_where_the_person_is():
    away = ANN.model_copy(update={"absences": AWAY, "calendar": Calendar(zone="Pacific/Auckland")})
    assert not away.absent(datetime(2026, 3, 1, 10, 0, tzinfo=UTC))
    assert away.absent(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


def test_an_absence_does_not_end_before_it_begins():
    with pytest.raises(ValidationError, match="turn the days around"):
        Absence(first=date(2026, 3, 2), last=date(2026, 3, 1))


@pytest.mark.parametrize(("words", "found"), [({"ann"}, True), ({"ann@example.com"}, True), ({"d02", "x"}, False)])
def test_a_person_is_known_by_name_or_address(words, found):
    assert ANN.is_one_of(frozenset(words)) is found
