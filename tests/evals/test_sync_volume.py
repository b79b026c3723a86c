"""Records are merged one by one, and what edits do to them is counted."""

from evals.sync_volume import measure_volume


def test_edits_move_fields_ask_for_writes_and_contradict_each_other_and_all_else_is_left_alone():
    found = measure_volume(4_000, 400)
    assert (found.records, found.fields) == (4_000, 12)
    assert 100 < found.moved < 400
    assert 0 < found.contested < found.writes < found.moved + 1
    assert found.records_per_s > 0
