"""What the dashboard's first page shows, read from the store in one view of it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.settings import Settings
from connectors.store.engine import Transaction
from connectors.store.figures import Books, Part
from console.web.chart import Chart, hours_each, stacked
from console.web.look import PERIODS, Look, Period
from console.web.render import ago
from console.web.standing import Cell, Health, Reviewer, Unread, reviewers, systems, unread
from console.web.tiles import Measured, Tile, tiles
from domain.figures import Counts, Price, Share, Slice, Work, percent
from domain.review import ReviewKind
from tasks.heartbeat import STALE_AFTER, beats
from tasks.resources import Resources


@dataclass(frozen=True)
class Row:
    """The figures of one policy, or of one route of it."""

    name: str
    look: Look
    counts: Counts
    kept: str
    completion: str
    automation: str
    overrides: str
    errors: str
    misroute: str


@dataclass(frozen=True)
class Watched:
    """When `flows.watch` last ran for a policy; `dead` if that is too long ago, or was never."""

    policy: str
    last: str
    dead: bool


@dataclass(frozen=True)
class Overview:
    """The page."""

    look: Look
    periods: list[tuple[Period, str]]
    policies: list[str]
    routes: list[str]
    counts: Counts
    tiles: list[Tile]
    chart: Chart
    rows: list[Row]
    by_route: bool
    books: list[Books]
    watched: list[Watched]
    health: list[Health]
    unread: list[Unread]
    load: list[Reviewer]
    dead_letters: Cell
    open_escalations: Cell
    waiting_reviews: Cell


def overview(here: Resources, look: Look) -> Overview:
    """What somebody looks at, as of now."""
    now = here.now()
    with here.store.reading() as tx:
        since = look.since(now) or min(tx.figures.first() or now, now) - timedelta(hours=1)
        hours = hours_each(since, now)
        everything = tx.figures.parts(look.choice(now), hours)
        return _shown(tx, here.settings, look, everything, (since, now, hours))


def price_of(settings: Settings) -> Price | None:
    """What tokens cost; None where nobody said."""
    if settings.price_prompt is None or settings.price_completion is None:
        return None
    return Price(prompt=settings.price_prompt, completion=settings.price_completion, currency=settings.price_currency)


def _shown(
    tx: Transaction, settings: Settings, look: Look, parts: Sequence[Part], time: tuple[datetime, datetime, int]
) -> Overview:
    since, now, hours = time
    choice = look.choice(now)
    counts = Counts.total([part.counts for part in parts])
    kept, same, reviews = tx.figures.kept(choice, now), tx.figures.consistency(choice), tx.figures.open_reviews()
    books = [one for one in tx.figures.books() if look.policy in ("", one.policy)]
    conflicts = {policy: count for (policy, kind), count in reviews.items() if kind == ReviewKind.CONFLICT}
    measured = Measured(
        counts=counts,
        pace=tx.figures.pace(choice, counts.settled),
        kept=_sum(kept.values()),
        consistency=_sum(same.values()),
        conflicts=sum(count for policy, count in conflicts.items() if look.policy in ("", policy)),
        books=tuple(books),
        price=price_of(settings),
    )
    health = systems(tx, look, now)
    policies = sorted(
        {one.policy for one in tx.figures.books()} | {part.policy for part in parts} | {look.policy} - {""}
    )
    return Overview(
        look=look,
        periods=[(period, words) for period, (words, _) in PERIODS.items()],
        policies=policies,
        routes=sorted({part.route for part in parts if part.route} | {look.route} - {""}) if look.policy else [],
        counts=counts,
        tiles=list(tiles(look, measured)),
        chart=stacked(_by_time(parts), since, now, hours),
        rows=_by_route(parts, look) if look.policy else _by_policy(parts, look, kept),
        by_route=bool(look.policy),
        books=books,
        watched=_watched(tx, [name for name in policies if look.policy in ("", name)], now),
        health=health,
        unread=list(unread(tx, look, now)),
        load=reviewers(tx, look, now),
        dead_letters=Cell(sum(one.dead.count for one in health), look.items(Work.DEAD_LETTERS)),
        open_escalations=Cell(tx.escalations.count(), look.items(Work.ESCALATIONS, policy="", route="")),
        waiting_reviews=Cell(
            sum(count for (policy, _), count in reviews.items() if look.policy in ("", policy)),
            look.items(Work.WAITING, route=""),
        ),
    )


def _sum(shares: Iterable[Share]) -> Share:
    return sum(shares, start=Share())


def _by_time(parts: Sequence[Part]) -> dict[int, dict[str, int]]:
    """By stretch of time, how many items were decided how."""
    found: defaultdict[int, Counts] = defaultdict(Counts)
    for part in parts:
        found[part.hour] += part.counts
    return {
        hour: {
            "automatic": counts.automatic,
            "left to people": counts.to_person,
            "undecided": counts.accepted - counts.decided,
        }
        for hour, counts in found.items()
    }


def _grouped(parts: Sequence[Part], by: Callable[[Part], str]) -> dict[str, Counts]:
    found: defaultdict[str, Counts] = defaultdict(Counts)
    for part in parts:
        found[by(part)] += part.counts
    return dict(sorted(found.items()))


def _by_policy(parts: Sequence[Part], look: Look, kept: dict[str, Share]) -> list[Row]:
    groups = _grouped(parts, lambda part: part.policy)
    return [_row(name, Look(name, "", look.period), counts, kept.get(name, Share())) for name, counts in groups.items()]


def _by_route(parts: Sequence[Part], look: Look) -> list[Row]:
    groups = _grouped(parts, lambda part: part.route or "")
    return [_row(name, Look(look.policy, name, look.period), counts, None) for name, counts in groups.items()]


def _row(name: str, look: Look, counts: Counts, kept: Share | None) -> Row:
    audit = counts.audit
    return Row(
        name=name,
        look=look,
        counts=counts,
        kept=percent(kept) if kept else "",
        completion=percent(counts.completion),
        automation=percent(counts.automation),
        overrides=percent(counts.overrides),
        errors=percent(counts.errors),
        misroute=percent(Share(part=audit.wrong, of=audit.n)),
    )


def _watched(tx: Transaction, policies: Sequence[str], now: datetime) -> list[Watched]:
    last = beats(tx)
    seen = {name: (ago(at, now), now - at > STALE_AFTER) for name, at in last.items()}
    return [Watched(name, *seen.get(name, ("never", True))) for name in policies]


LISTS: dict[Slice | Work, str] = {
    Slice.ACCEPTED: "Items that came in",
    Slice.DONE: "Items that are done",
    Slice.UNDONE: "Items that are not done yet",
    Slice.DECIDED: "Items that were decided",
    Slice.SETTLED: "Items that wait for no person",
    Slice.AUTOMATIC: "Items decided without a person",
    Slice.TO_PERSON: "Items left to a person",
    Slice.ANSWERED: "Proposals that people answered",
    Slice.OVERRIDDEN: "Proposals that people overrode",
    Slice.AUDITED: "Audited items",
    Slice.MISROUTED: "Audited items that would have been misrouted",
    Slice.RETRIED: "Items of which something was tried again",
    Slice.ESCALATED: "Escalated items",
    Slice.GIVEN_UP: "Items of which a write was given up",
    Slice.DEAD: "Items with a dead letter",
    Slice.NOWHERE: "Items that are unaccounted for",
    Work.WAITING: "Reviews that wait",
    Work.CONFLICTS: "Open conflicts",
    Work.ESCALATIONS: "Escalations that nobody has taken over",
    Work.ASSIGNED: "Reviews that are with somebody",
    Work.UNASSIGNED: "Reviews that are with nobody in particular",
    Work.ANSWERED_BY: "Reviews that were answered",
    Work.UNWRITTEN: "Writes that wait",
    Work.DEAD_LETTERS: "Dead letters",
    Work.LATE: "Promises that were late",
}
"""What each list is called."""
