"""What was found in items' texts, by item and by value."""

from domain.extraction import CONFIDENCE, By, Extraction, Found, Ground


def found(value: str = "Nordwind", ground: Ground = Ground.PLACED) -> Found:
    return Found(value=value, start=3, end=11, by=By.PATTERN, ground=ground, confidence=CONFIDENCE[ground])


EXTRACTION = Extraction(
    key="k-1", found={"company": found(), "phone": found("+49", Ground.SEVERAL)}, dropped={"name": "no name"}, calls=2
)


def keep(desk, item_id: str, extraction: Extraction = EXTRACTION, cached: bool = False) -> None:
    with desk.store.transaction() as tx:
        tx.extractions.keep(item_id, extraction, 0.95, cached, desk.now)


def test_an_extraction_comes_back_whole_by_item_and_by_value(desk) -> None:
    item, _ = desk.accept()
    keep(desk, item)
    with desk.store.reading() as tx:
        assert tx.extractions.of([item, "it-unknown"]) == {item: EXTRACTION}
        assert tx.extractions.recall(["k-1", "k-2"]) == {"k-1": EXTRACTION}


def test_the_ledger_tells_who_found_what_once_and_holds_no_values(desk) -> None:
    item, _ = desk.accept()
    keep(desk, item)
    keep(desk, item)
    (entry,) = [entry for entry in desk.entries(item) if entry.event == "extracted"]
    assert {name: fact["sure"] for name, fact in entry.facts["found"].items()} == {"company": True, "phone": False}
    assert (entry.facts["calls"], entry.facts["dropped"]) == (2, {"name": "no name"})
    assert "Nordwind" not in str(entry.facts)


def test_what_another_item_gave_before_costs_no_call(desk) -> None:
    item, _ = desk.accept()
    keep(desk, item, cached=True)
    (entry,) = [entry for entry in desk.entries(item) if entry.event == "extracted"]
    assert (entry.facts["calls"], entry.facts["cached"]) == (0, True)


def test_a_later_extraction_takes_an_earlier_ones_place(desk) -> None:
    item, _ = desk.accept()
    keep(desk, item)
    later = Extraction(key="k-2", found={"company": found("Südwind")})
    keep(desk, item, later)
    with desk.store.reading() as tx:
        assert tx.extractions.of([item]) == {item: later}
