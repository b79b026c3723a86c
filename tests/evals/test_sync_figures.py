"""When `evals sync` holds, and its exit code is 0."""

from typing import Any

import pytest

from evals.sync_account import Replayed
from evals.sync_figures import SyncFigures
from evals.sync_volume import Volume

REPLAY = Replayed(
    versions=9, incidents=2, lost=0, doubled=0, unexplained=0, conflicts=1, settled=True, ledger_verifies=True,
    crashes=1, writes=9, dead_lettered=0, moves={}, faults={}, edits_s=1, settling_s=1, told=(),
)  # fmt: skip
VOLUME = Volume(
    records=9, fields=2, seconds=1, records_per_s=9, small_per_s=9, grown_mib=0, moved=1, writes=1, contested=0
)


def figures(replay: dict[str, Any], **changes: Any) -> SyncFigures:
    sound = {"versions": 9, "lost": 0, "doubled": 0, "unexplained": 0, "conflicts": 1, "merge_records_per_s": 9}
    measured = {"febrl4_f1": 0.9999, "messy_f1": 0.95, "volume": VOLUME, "replay": REPLAY.model_copy(update=replay)}
    return SyncFigures.model_validate(sound | measured | changes)


@pytest.mark.parametrize("changes", [{}, {"febrl4_f1": None, "messy_f1": None}, {"conflicts": 90}])
def test_it_holds_where_all_is_well_or_was_not_measured(changes: dict[str, Any]) -> None:
    assert figures({}, **changes).holds


@pytest.mark.parametrize(
    ("replay", "changes"),
    [
        ({}, {"lost": 1}),
        ({}, {"doubled": 1}),
        ({}, {"unexplained": 1}),
        ({}, {"febrl4_f1": 0.99}),
        ({}, {"messy_f1": 0.84}),
        ({"settled": False}, {}),
        ({"ledger_verifies": False}, {}),
        ({"dead_lettered": 1}, {}),
    ],
)
def test_it_does_not_where_anything_is_wrong(replay: dict[str, Any], changes: dict[str, Any]) -> None:
    assert not figures(replay, **changes).holds
