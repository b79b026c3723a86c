"""What the operations lead is told once a day."""

from domain.account import Account
from domain.digest import told
from domain.figures import Counts, Pace, Share

COUNTS = Counts(accepted=10, done=8, decided=10, settled=9, automatic=6, answered=3, overridden=1, audited=2)


def say(unaccounted: int = 0, dead: int = 0) -> tuple[str, str]:
    account = Account(accepted=50 + unaccounted, done=50, waiting=0, escalated=0, dead_lettered=0)
    return told("lead_routing", COUNTS, Pace(p50_ms=900, p95_ms=61_000), Share(part=9, of=10), account, 2, dead)


def test_a_quiet_day_is_told_without_alarm():
    subject, text = say()
    assert subject == "lead routing: 10 came in, 80 % done"
    assert "Decided without a person: 60 % (6 of 10)." in text
    assert "half within 900 ms, 95 % within 1 min 1 s" in text
    assert "Books: 50 accepted, 0 unaccounted." in text


def test_what_somebody_must_look_at_stands_in_the_subject():
    assert say(unaccounted=3, dead=2)[0].endswith("; 3 unaccounted, 2 with dead letters")
