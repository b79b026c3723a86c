"""The figures as tiles: a number in words, what it is made of, and the list behind it."""

from collections.abc import Iterator
from dataclasses import dataclass

from connectors.store.figures import Books
from console.web.look import Look
from domain.figures import NONE, Counts, Pace, Price, Share, Slice, Work, duration, percent


@dataclass(frozen=True)
class Tile:
    """A figure.

    Attributes:
        note: what it is made of.
        href: the list of the items behind it, or where it is told in full.
        bad: whether somebody must look at it.
    """

    name: str
    value: str
    note: str
    href: str
    bad: bool = False


@dataclass(frozen=True)
class Measured:
    """What the tiles of a choice are made of; books of the policies that are meant."""

    counts: Counts
    pace: Pace
    kept: Share
    consistency: Share
    conflicts: int
    books: tuple[Books, ...]
    price: Price | None


def tiles(look: Look, of: Measured) -> Iterator[Tile]:
    """The figures of what somebody looks at."""
    counts, kept, same = of.counts, of.kept, of.consistency
    done, errors, auto = counts.completion, counts.errors, counts.automation
    yield Tile("Completion rate", percent(done), f"{_of(done)} done", look.items(Slice.DONE))
    yield Tile("Error rate", percent(errors), f"{_of(errors)} with a write given up", look.items(Slice.GIVEN_UP))
    yield Tile("SLA compliance", percent(kept), f"{_of(kept)} clocks met", look.items(Work.LATE))
    yield Tile("Data consistency", percent(same), f"{_of(same)} values agree", f"/dashboard/consistency{look.query()}")
    yield Tile("Automation rate", percent(auto), f"{_of(auto)} decided without a person", look.items(Slice.AUTOMATIC))
    changed = counts.overrides
    yield Tile("Override rate", percent(changed), f"{_of(changed)} answers", look.items(Slice.OVERRIDDEN))
    yield _misroutes(look, counts)
    yield Tile(
        "Time to decision", duration(of.pace.p50_ms), f"half of them; 95 % within {duration(of.pace.p95_ms)}",
        look.items(Slice.SETTLED),
    )  # fmt: skip
    often = NONE if counts.retries_each is None else f"{counts.retries_each:.2f}"
    note = f"tries again per item; {counts.retried:,} items"
    yield Tile("Retry frequency", often, note, look.items(Slice.RETRIED))
    told = counts.escalations
    yield Tile("Escalation rate", percent(told), f"{_of(told)} told to somebody", look.items(Slice.ESCALATED))
    yield Tile("Open conflicts", f"{of.conflicts:,}", "wait for a person", look.items(Work.CONFLICTS, route=""))
    yield _cost(look, counts, of.price)
    yield _unaccounted(look, of.books)


def _of(share: Share) -> str:
    return f"{share.part:,} of {share.of:,}"


def _misroutes(look: Look, counts: Counts) -> Tile:
    audit, rate = counts.audit, counts.audit.misroute
    value = f"{100 * rate.value:.1f} %" if audit.n else NONE
    told = f"{audit.wrong:,} of {audit.n:,} audited; 95 % interval {100 * rate.low:.1f} to {100 * rate.high:.1f} %"
    note = told if audit.n else "nothing was audited"
    return Tile("Misroute rate", value, note, look.items(Slice.MISROUTED if audit.wrong else Slice.AUDITED))


def _cost(look: Look, counts: Counts, price: Price | None) -> Tile:
    tokens = counts.tokens_each()
    each = NONE if tokens is None else f"{tokens:,.0f} tokens"
    href = look.items(Slice.DECIDED)
    if price is None:
        return Tile("Tokens per decision", each.removesuffix(" tokens"), "no price is set", href)
    cost = counts.cost_each(price)
    value = NONE if cost is None else f"{cost:.5f} {price.currency}".rstrip()
    return Tile("Cost per decision", value, each, href)


def _unaccounted(look: Look, books: tuple[Books, ...]) -> Tile:
    lost = sum(one.account.unaccounted for one in books)
    oldest = min((one.at for one in books), default=None)
    note = f"books checked {oldest:%Y-%m-%d %H:%M} UTC" if oldest else "the books were never checked"
    href = look.items(Slice.NOWHERE) if lost else f"/dashboard{look.query()}#books"
    return Tile("Unaccounted", f"{lost:,}" if books else NONE, note, href, bad=lost != 0)
