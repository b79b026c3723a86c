"""Charts: bars that fill the plot, for every stretch of time, with a scale in round numbers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.web.chart import BARS, HEIGHT, WIDTH, hours_each, stacked

NOW = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
HOUR = int(NOW.timestamp() // 3600)


@pytest.mark.parametrize(("days", "hours"), [(1, 1), (7, 6), (30, 24), (365, 336)])
def test_a_chart_has_about_forty_bars(days, hours):
    assert hours_each(NOW - timedelta(days=days), NOW) == hours


@given(st.integers(1, 365 * 30))
def test_it_never_has_many_more(days):
    since = NOW - timedelta(days=days)
    assert len(stacked({}, since, NOW, hours_each(since, NOW)).bars) <= 1.5 * BARS + 2


def test_a_stretch_in_which_nothing_came_in_has_its_place():
    chart = stacked({HOUR: {"automatic": 3, "left to people": 1}}, NOW - timedelta(hours=3), NOW, 1)
    assert [len(bar.segments) for bar in chart.bars] == [0, 0, 0, 2]
    assert chart.bars[0].told.endswith("nothing")
    assert chart.bars[-1].told == "2026-03-02 12:00 UTC, 1 hour: 3 automatic, 1 left to people"
    assert chart.top == 4


@given(
    st.dictionaries(
        st.integers(HOUR - 3, HOUR), st.fixed_dictionaries({"a": st.integers(0, 9999), "b": st.integers(0, 9)})
    )
)
def test_bars_stay_within_the_plot(counts):
    chart = stacked(counts, NOW - timedelta(hours=3), NOW, 1)
    assert chart.top % 2 == 0, "the middle of the scale is named too, and nothing comes in by halves"
    for bar in chart.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert sum(part.height for part in bar.segments) <= HEIGHT + 0.1
        assert all(part.y >= -0.1 for part in bar.segments)
