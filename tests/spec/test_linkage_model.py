"""What agreements are worth: counted, estimated, ordered, explained."""

from itertools import pairwise
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.likeness import AGREEMENT, Level
from domain.linkage.blocking import By, Part, Way, candidates
from domain.linkage.comparison import Compared, Fields, prepare
from domain.linkage.fitting import fit, observe, presumed, random_pairs
from domain.linkage.grades import Kind
from domain.linkage.linking import Terms, link
from domain.linkage.model import Evidence, FieldOdds, LinkageModel, Odds, Weigher
from domain.values import share

FIELDS = Fields(
    compared=(
        Compared(name="name", kind=Kind.FAMILY_NAME),
        Compared(name="town", kind=Kind.PLACE),
        Compared(name="born", kind=Kind.DATE),
        Compared(name="code", kind=Kind.CODE),
        Compared(name="fax", kind=Kind.PHONE),
    )
)
WAYS = (Way(parts=(Part(field="name"),)), Way(parts=(Part(field="born"),)), Way(parts=(Part(field="fax"),)))
NAMES = ("smith", "smith", "smith", "weber", "haddad", "kowalski", "rossi", "okafor", "lindqvist", "tanaka")
TOWNS = ("kiel", "ulm", "bonn", "jena", "celle", "husum")


def person(number: int) -> dict[str, str]:
    def drawn(what: str, among: int) -> int:
        return int(share(f"{what} {number}") * among)

    return {
        "name": NAMES[drawn("name", 10)],
        "town": TOWNS[drawn("town", 6)],
        "born": f"19{drawn('y', 90) + 10}{drawn('m', 12) + 1:02}{drawn('d', 28) + 1:02}",
        "code": f"{drawn('code', 40)}",
    }


def worn(number: int) -> dict[str, str]:
    """A person's other record: every fifth has moved, every tenth gives no town."""
    values = person(number)
    if share(f"moved {number}") < 0.2:
        values["town"] = "hamburg"
    if share(f"silent {number}") < 0.1:
        values["town"] = ""
    return values


LEFT = [prepare(FIELDS, f"a{number}", person(number)) for number in range(300)]
RIGHT = [prepare(FIELDS, f"b{number}", worn(number)) for number in range(300)]


OBSERVED = observe(FIELDS, WAYS, LEFT, RIGHT, candidates(FIELDS, WAYS, LEFT, RIGHT))
FITTED = fit(OBSERVED)
KNOWN = fit(OBSERVED, zip(LEFT, RIGHT, strict=True))


def test_without_labels_nearly_as_much_is_found_out_as_with_them():
    for name in ("name", "born", "code"):
        assert FITTED.odds[name].levels[Level.SAME].m == pytest.approx(KNOWN.odds[name].levels[Level.SAME].m, abs=0.06)
    moved = FITTED.odds["town"].levels[Level.DIFFERENT].m
    assert moved == pytest.approx(0.18, abs=0.06)
    assert (FITTED.labelled, KNOWN.labelled) == (0, 300)


def test_as_many_pairs_are_expected_to_be_the_same_as_are():
    assert FITTED.prior * len(LEFT) * len(RIGHT) == pytest.approx(300, rel=0.1)


def test_the_records_are_put_together_by_it():
    found = link(Terms(fields=FIELDS, ways=WAYS), LEFT, RIGHT, FITTED)
    paired = {one.left: one.right for one in found.paired.values() if one.right is not None}
    assert sum(paired.get(f"a{number}") == f"b{number}" for number in range(300)) >= 297


def test_it_takes_the_records_in_any_order():
    forth, back = (
        (left, right, candidates(FIELDS, WAYS, left, right))
        for left, right in (
            (LEFT[:60], RIGHT[:60]),
            (LEFT[59::-1], RIGHT[59::-1]),
        )
    )
    assert fit(observe(FIELDS, WAYS, *forth)) == fit(observe(FIELDS, WAYS, *back))


def test_agreeing_in_a_common_name_is_worth_less_than_in_a_rare_one():
    name = FITTED.odds["name"]
    assert name.common["smith"] == pytest.approx(0.3, abs=0.06)
    assert name.bits(Level.SAME, "smith") < name.bits(Level.SAME, "tanaka") < name.bits(Level.SAME, "never seen")
    assert FITTED.odds["code"].usual == 0
    assert name.bits(Level.DIFFERENT, "smith") == name.levels[Level.DIFFERENT].bits


def test_what_nobody_says_is_worth_nothing():
    assert FITTED.odds["fax"].levels[Level.MISSING].bits == 0
    assert FITTED.odds["town"].levels[Level.MISSING].bits == 0
    assert FITTED.odds["fax"].common == {}


def test_a_value_that_everybody_has_is_common_and_nothing_is_usual_but_rare():
    fields = Fields(compared=(Compared(name="name", kind=Kind.FAMILY_NAME),))
    left, right = ([prepare(fields, f"{side}{number}", {"name": "smith"}) for number in range(4)] for side in "ab")
    ways = [Way(parts=(Part(field="name"),))]
    fitted = fit(observe(fields, ways, left, right, candidates(fields, ways, left, right)))
    assert fitted.odds["name"].common == {"smith": 1.0}
    assert fitted.odds["name"].usual == 1 / 8


def test_before_anything_was_seen_agreement_speaks_for_and_difference_against_it():
    model = presumed(FIELDS, ())
    for odds in model.odds.values():
        bits = [odds.levels[level].bits for level in AGREEMENT]
        assert bits[0] == max(bits) > 0 > bits[-1] == min(bits)
        assert odds.levels[Level.MISSING].bits == 0
    assert (model.pairs, model.labelled, model.prior_bits) == (0, 0, 0)


def test_where_no_pair_shares_a_key_there_is_nothing_to_learn_from():
    with pytest.raises(ValueError, match="no pair of records shares a key"):
        link(Terms(fields=FIELDS, ways=WAYS), LEFT, [prepare(FIELDS, "b", {})])


@given(st.lists(st.tuples(st.sampled_from(["anna", "anne", "hanna", "omar", ""]), st.sampled_from(["kiel", "ulm", ""])),
                min_size=2, max_size=20))  # fmt: skip
def test_no_better_agreement_is_worth_less_than_a_worse_one(rows: list[tuple[str, str]]) -> None:
    fields = Fields(compared=(Compared(name="first", kind=Kind.GIVEN_NAME, also_in=("town",)),
                              Compared(name="town", kind=Kind.PLACE)))  # fmt: skip
    left, right = (
        [prepare(fields, f"{side}{number}", dict(zip(fields.names, row, strict=True))) for number, row in enumerate(of)]
        for side, of in (("a", rows[::2]), ("b", rows[1::2]))
    )
    ways = (Way(parts=(Part(field="first", by=By.BEGINNINGS),)), Way(parts=(Part(field="town"),)))
    blocked = candidates(fields, ways, left, right)
    if not len(blocked):
        return
    for odds in fit(observe(fields, ways, left, right, blocked)).odds.values():
        worth = [odds.levels[one].bits for one in AGREEMENT if one in odds.levels and one is not Level.ELSEWHERE]
        assert all(better >= worse - 1e-9 for better, worse in pairwise(worth))


def test_pairs_at_random_are_each_taken_once():
    pairs = [(one.id, other.id) for one, other in random_pairs(LEFT[:7], RIGHT[:5])]
    assert len(pairs) == len(set(pairs)) == 35


PAIRS = st.tuples(st.sampled_from(LEFT), st.sampled_from(RIGHT))


@given(PAIRS)
def test_what_speaks_for_a_pair_is_the_same_either_way_round_and_the_sum_of_its_evidence(pair):
    weigher = Weigher(FITTED)
    bits = weigher.bits(*pair)
    assert bits == weigher.bits(*reversed(pair))
    assert bits == pytest.approx(sum(one.bits for one in weigher.evidence(*pair)))


def test_the_weightiest_evidence_comes_first():
    said = [abs(one.bits) for one in Weigher(FITTED).evidence(LEFT[0], RIGHT[0])]
    assert said == sorted(said, reverse=True)


@pytest.mark.parametrize(
    ("level", "values", "bits", "told"),
    [
        (Level.SAME, ("weber", "weber"), 9.1, "surname: the same (weber); speaks strongly for it (+9.1)"),
        (Level.SAME, ("6912", "496912"), 9.1,
         "surname: the same but for its spelling (6912, 496912); speaks strongly for it (+9.1)"),
        (Level.CLOSE, ("weber", "webre"), 5.0, "surname: the same but for a slip (weber, webre); speaks for it (+5.0)"),
        (Level.LIKE, ("w", "weber"), 0.4, "surname: alike (w, weber); says little"),
        (Level.ELSEWHERE, ("weber", ""), 3.0,
         "surname: stands in another field on the other side (weber, nothing); speaks for it (+3.0)"),
        (Level.DIFFERENT, ("weber", "li"), -6.5, "surname: different (weber, li); speaks strongly against it (-6.5)"),
        (Level.MISSING, ("weber", ""), 0.0, "surname: not known on both sides; says little"),
    ],
)  # fmt: skip
def test_evidence_is_told_in_words(level: Level, values: tuple[str, str], bits: float, told: str) -> None:
    assert Evidence(field="surname", level=level, values=values, bits=bits).told() == told


def test_a_level_is_worth_the_logarithm_of_its_odds():
    assert Odds(m=0.8, u=0.1).bits == log2(8)


def test_a_model_survives_its_file_and_is_known_by_its_fingerprint():
    again = LinkageModel.model_validate_json(FITTED.model_dump_json())
    assert again == FITTED
    assert again.fingerprint == FITTED.fingerprint != KNOWN.fingerprint
    assert FITTED.prior_bits == pytest.approx(log2(FITTED.prior / (1 - FITTED.prior)))


def test_a_model_that_leaves_a_field_out_is_refused():
    odds = {"name": FieldOdds(levels={Level.SAME: Odds(m=0.9, u=0.1)})}
    with pytest.raises(ValueError, match="it says nothing of: born, code, fax, town"):
        LinkageModel(fields=FIELDS, ways=WAYS, odds=odds, prior=0.1, pairs=1)
