"""What policies said is kept once, and told with what waits under it."""

from datetime import timedelta

from domain.review import Answer, ReviewKind


def test_a_version_is_kept_once_and_as_it_was_first_said(desk) -> None:
    with desk.store.transaction() as tx:
        tx.versions.keep("lead_routing", "v1", "name: lead_routing\n", desk.now)
    first = desk.now
    desk.later(hours=1)
    with desk.store.transaction() as tx:
        for version, source in (("v1", "another text"), ("v2", "name: lead_routing # again\n")):
            tx.versions.keep("lead_routing", version, source, desk.now)
        tx.versions.keep("support_triage", "v3", "name: support_triage\n", desk.now)
    with desk.store.reading() as tx:
        assert [(row.version, row.first_used_at) for row in tx.versions.of("lead_routing")] == [
            ("v1", first),
            ("v2", desk.now),
        ]
        assert tx.versions.source("v1") == "name: lead_routing\n"
        assert tx.versions.source("v9") is None


def test_what_waits_is_counted_by_the_version_of_its_decision(desk) -> None:
    items = [desk.accept(f"m-{number}")[0] for number in range(3)]
    other, _ = desk.accept("m-9", "support_triage")
    for item in items:
        desk.wait_for_person(item, desk.now + timedelta(hours=1))
    desk.wait_for_person(other, desk.now + timedelta(hours=1), "support_triage")
    with desk.store.transaction() as tx:
        tx.reviews.answered(items[0], Answer(choice="sales", reviewer="Ann", binding=""), desk.now)
    with desk.store.reading() as tx:
        assert tx.versions.waiting("lead_routing", [ReviewKind.ROUTE]) == {"p-1": 2}
        assert tx.versions.waiting("lead_routing", [ReviewKind.FIELDS]) == {}
