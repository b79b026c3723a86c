"""Charts as shapes that the server draws: a page shows them with no network and no script."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

WIDTH, HEIGHT = 720, 180
"""Of the plot, in the units of its picture; the page scales it."""

BARS = 40
"""Bars in a chart, at most about so many: one is as wide as a finger on a phone."""

STEPS = (1, 2, 3, 6, 12, 24, 48, 24 * 7, 24 * 14, 24 * 28, 24 * 91)
"""Hours that one bar may stand for."""

_ROUND = (2, 4, 6, 10)
_GAP = 0.2


@dataclass(frozen=True)
class Segment:
    """One part of a bar: from the bottom of the plot, `y` is the distance of its top from the plot's top."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """What came in within one stretch of time; `told` says it in words."""

    x: float
    width: float
    told: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Chart:
    """Stacked bars on a scale from 0 to `top`; `ticks` name some of them below, at their middle."""

    bars: tuple[Bar, ...]
    top: int
    ticks: tuple[tuple[float, str], ...]


def hours_each(since: datetime, now: datetime) -> int:
    """How many hours one bar stands for."""
    span_h = (now - since) / timedelta(hours=1)
    return next((step for step in STEPS if span_h / step <= BARS), STEPS[-1] * max(1, round(span_h / STEPS[-1] / BARS)))


def stacked(counts: dict[int, dict[str, int]], since: datetime, now: datetime, hours: int) -> Chart:
    """Bars from `since` to `now`, one for each stretch of hours, also where nothing came in.

    Args:
        counts: by first hour since 1970 of each stretch, how many of each kind, from the bottom up.
    """
    first, last = (int(at.timestamp() // 3600) // hours * hours for at in (since, now))
    stretches = range(first, last + 1, hours)
    top = _rounded(max((sum(kinds.values()) for kinds in counts.values()), default=0))
    slot = WIDTH / len(stretches)
    bars = [_bar(number * slot, slot, at, hours, counts.get(at, {}), top) for number, at in enumerate(stretches)]
    every = max(1, len(bars) // 5)
    ticks = [(bars[at].x + bars[at].width / 2, _tick(stretches[at], hours)) for at in range(0, len(bars), every)]
    return Chart(tuple(bars), top, tuple(ticks))


def _bar(x: float, slot: float, at: int, hours: int, kinds: dict[str, int], top: int) -> Bar:
    filled, segments = 0, list[Segment]()
    for kind, count in kinds.items():
        filled += count
        segments.append(Segment(kind, round(HEIGHT * (1 - filled / top), 2), round(HEIGHT * count / top, 2)))
    parts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
    told = f"{_moment(at):%Y-%m-%d %H:%M} UTC, {_span(hours)}: {parts or 'nothing'}"
    return Bar(round(x + slot * _GAP / 2, 2), round(slot * (1 - _GAP), 2), told, tuple(segments))


def _rounded(most: int) -> int:
    """The next round number whose half is a whole one: the scale names that too."""
    size = 1
    while size * _ROUND[-1] < most:
        size *= 10
    return next(size * step for step in _ROUND if size * step >= most)


def _moment(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * 3600, UTC)


def _tick(hour: int, hours: int) -> str:
    return f"{_moment(hour):%H:%M}" if hours < STEPS[3] else f"{_moment(hour):%d %b}"


def _span(hours: int) -> str:
    days = hours // 24
    return f"{hours} hour{'s' if hours > 1 else ''}" if not days else f"{days} day{'s' if days > 1 else ''}"
