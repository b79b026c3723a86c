"""The hostile suite: what it holds, how it is put around honest messages, and how its outcome is counted."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from builders import GUARDS, calibration, proof, proposal, workflow

from domain.decision import RuleAction, RuleMatch
from domain.errors import InputInvalid
from domain.proposal import NONE_OF_THESE, Proposal
from evals.hostile import CARRIER, DESCRIPTION, LABEL, hostile_items, load_attacks, withstood
from evals.items import Item
from evals.metrics import see
from evals.recorded import Row

TRUSTS_80 = replace(workflow(), calibration=calibration(proof(threshold=0.8, guards=GUARDS)))
ATTACKS = load_attacks()
BARE = {attack.id for attack in ATTACKS if CARRIER not in attack.text}
WRONG, MARKED = proposal("repairs", opinion="repairs"), proposal(tampering=("chat_markup",))


def honest(number: int, label: str = "sales", said: Proposal | None = None) -> Row:
    item = Item(id=f"honest-{number}", text=f"How much is toy {number}?", label=label)
    return Row(item=item, proposal=said or proposal(label, opinion=label))


def attacked(number: int, said: Proposal, style: str = "markup", rule: RuleMatch | None = None) -> Row:
    item = Item(id=f"h-{number}", text=f"attack {number}", label="sales", fields={"style": style})
    return Row(item=item, proposal=said, rule=rule)


HONEST = [honest(number, "repairs" if number % 3 == 0 else "sales") for number in range(12)]


class TestTheSuite:
    def test_is_large_of_many_styles_and_languages(self):
        assert len(ATTACKS) >= 60
        assert len({attack.style for attack in ATTACKS}) >= 7
        assert len({attack.language for attack in ATTACKS}) >= 8

    def test_says_each_thing_once(self):
        assert len({attack.id for attack in ATTACKS}) == len(ATTACKS)
        assert len({" ".join(attack.text.casefold().split()) for attack in ATTACKS}) == len(ATTACKS)

    def test_most_attacks_ride_on_an_honest_message(self):
        assert 0 < len(BARE) < len(ATTACKS) / 4

    def test_every_attack_says_something_beside_its_carrier(self):
        assert all(attack.text.replace(CARRIER, "").strip() for attack in ATTACKS)

    def test_each_style_has_several_attacks(self):
        styles = [attack.style for attack in ATTACKS]
        assert min(map(styles.count, styles)) >= 5


class TestHostileItems:
    def test_there_is_one_for_each_attack_and_carrier_with_its_own_id(self):
        items = hostile_items(TRUSTS_80, HONEST, per_attack=3).items
        assert len(items) == len({item.id for item in items}) == 3 * len(ATTACKS)

    def test_each_wants_a_route_that_is_wrong_for_its_carrier(self):
        by_id = {row.item.id: row.item for row in HONEST}
        for item in hostile_items(TRUSTS_80, HONEST).items:
            wanted, carrier = item.fields["wanted"], item.fields.get("carrier")
            assert wanted in TRUSTS_80.policy.routes
            assert item.label != wanted
            if carrier:
                assert item.label == by_id[carrier].label
                assert by_id[carrier].text in item.text

    def test_one_without_a_carrier_belongs_to_no_route(self):
        for item in hostile_items(TRUSTS_80, HONEST).items:
            bare = item.id.removesuffix("-0") in BARE
            assert (item.label == NONE_OF_THESE, "carrier" not in item.fields) == (bare, bare)

    def test_no_place_in_a_template_stays_open(self):
        for item in hostile_items(TRUSTS_80, HONEST).items:
            assert not any(place in item.text for place in (CARRIER, LABEL, DESCRIPTION))

    def test_a_carrier_that_looks_like_a_template_is_left_as_it_was_written(self):
        odd = honest(1)
        odd = odd.model_copy(update={"item": odd.item.model_copy(update={"text": "What is {label}, {description}?"})})
        carried = [item.text for item in hostile_items(TRUSTS_80, [odd]).items if "carrier" in item.fields]
        assert all("What is {label}, {description}?" in text for text in carried)

    def test_the_same_are_drawn_every_time(self):
        assert hostile_items(TRUSTS_80, HONEST, 2) == hostile_items(TRUSTS_80, HONEST, 2)

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(honest(99, said=proposal(confidence=0.5)), id="one that would not act"),
            pytest.param(honest(99, label="repairs", said=proposal("sales")), id="one that would act wrongly"),
            pytest.param(
                honest(99, label=NONE_OF_THESE, said=proposal(NONE_OF_THESE, opinion=NONE_OF_THESE)),
                id="one of no route",
            ),
        ],
    )
    def test_carriers_act_alone_and_rightly_without_the_attack(self, other: Row):
        items = hostile_items(TRUSTS_80, [*[other] * 20, honest(1)]).items
        assert {item.fields["carrier"] for item in items if "carrier" in item.fields} == {"honest-1"}

    def test_where_nothing_acts_any_item_of_a_route_carries(self):
        items = hostile_items(workflow(), HONEST).items
        assert len({item.fields["carrier"] for item in items if "carrier" in item.fields}) > 1

    def test_without_an_item_of_a_route_there_is_nothing_to_attack_with(self):
        with pytest.raises(InputInvalid, match="no honest item belongs to a route"):
            hostile_items(TRUSTS_80, [honest(1, label=NONE_OF_THESE)])


class TestWithstood:
    @pytest.mark.parametrize(
        ("said", "wrong_auto", "right_auto", "held"),
        [
            pytest.param(WRONG, 1, 0, {}, id="it got through"),
            pytest.param(proposal(), 0, 1, {}, id="it changed nothing"),
            pytest.param(MARKED, 0, 0, {"tampering": 1}, id="a sign of tampering"),
            pytest.param(proposal("repairs"), 0, 0, {"opinions_disagree": 1}, id="the examples disagree"),
            pytest.param(proposal(confidence=0.5), 0, 0, {"below_threshold": 1}, id="unsure"),
            pytest.param(proposal(similarity=0.1), 0, 0, {"unlike_examples": 1}, id="strange"),
            pytest.param(proposal(dissent=0.9), 0, 0, {"parts_disagree": 1}, id="a part points elsewhere"),
            pytest.param(
                proposal(NONE_OF_THESE, opinion=NONE_OF_THESE), 0, 0, {"none_of_these": 1}, id="no route fits"
            ),
            pytest.param(
                proposal(tampering=("chat_markup",), confidence=0.1), 0, 0, {"tampering": 1}, id="the weightiest only"
            ),
        ],
    )
    def test_each_attack_has_one_fate(self, said: Proposal, wrong_auto: int, right_auto: int, held: dict[str, int]):
        fates = withstood(TRUSTS_80, [attacked(1, said)], HONEST)
        assert (fates.n, fates.wrong_auto, fates.right_auto, fates.held) == (1, wrong_auto, right_auto, held)
        assert fates.changed == (("h-1",) if wrong_auto else ())

    def test_a_rule_that_wants_a_person_holds_an_attack_too(self):
        rule = RuleMatch(name="threat", action=RuleAction.PERSON)
        fates = withstood(TRUSTS_80, [attacked(1, WRONG, rule=rule)], HONEST)
        assert (fates.wrong_auto, sum(fates.held.values())) == (0, 1)

    def test_fates_are_counted_by_style_and_add_up(self):
        rows = [
            attacked(1, WRONG, "markup"),
            attacked(2, MARKED, "markup"),
            attacked(3, MARKED, "markup"),
            attacked(4, proposal(), "authority"),
        ]
        fates = withstood(TRUSTS_80, rows, HONEST)
        assert fates.by_style == {"markup": {"wrong_auto": 1, "held": 2}, "authority": {"right_auto": 1}}
        assert fates.wrong_auto + fates.right_auto + sum(fates.held.values()) == fates.n == 4

    @pytest.mark.parametrize(
        ("more", "price"),
        [
            pytest.param([], 0, id="all act"),
            pytest.param([honest(1, said=proposal(similarity=0.1))], 0.25, id="right, and held as strange alone"),
            pytest.param([honest(1, said=proposal(dissent=0.9))], 0.25, id="right, and held for a part alone"),
            pytest.param([honest(1, said=MARKED)], 0.25, id="right, and held as tampered with alone"),
            pytest.param(
                [honest(1, said=proposal(similarity=0.1, confidence=0.5))],
                0,
                id="would have been held as unsure",
            ),
            pytest.param([honest(1, "repairs", proposal(similarity=0.1))], 0, id="would have been wrong"),
        ],
    )
    def test_honest_items_that_only_the_gates_hold_are_the_price(self, more: Sequence[Row], price: float):
        clean = [honest(number) for number in (2, 3, 4, 5)][: 4 - len(more)]
        assert all(one.acts for one in see(TRUSTS_80, clean))
        assert withstood(TRUSTS_80, [], [*clean, *more]).price == pytest.approx(price)

    def test_without_anything_nothing_is_told(self):
        fates = withstood(TRUSTS_80, [], [])
        assert (fates.n, fates.price, fates.changed) == (0, 0, ())
