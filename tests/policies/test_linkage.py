"""The part of a policy that says how records are paired: what it takes, and what each mistake is told."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from domain.calibration import Promise
from domain.errors import PolicyInvalid
from domain.likeness import Level
from domain.linkage.blocking import By, Part, Way
from domain.linkage.grades import Kind
from domain.linkage.model import FieldOdds, LinkageModel, Odds
from domain.linkage.pairing import Sides
from domain.linkage.proof import Curve, LinkageProof
from policies.linkage import Linkage, LinkageRecord, linkage_path, load_linkage
from policies.strict_yaml import load_yaml

WHOLE = """
fields:
  given_name: {kind: given_name, also_in: [surname]}
  surname: {kind: family_name, also_in: [given_name]}
  whole: {kind: name, of: [given_name, surname]}
  email: email
blocks:
  - email
  - {surname: sound, given_name: beginnings}
sides: many_to_one
target: {wrong: 0.02, confidence: 0.9}
"""


def read(folder: Path, text: str) -> Linkage:
    path = folder / "people.yaml"
    path.write_text(text, encoding="utf-8")
    return load_yaml(path, Linkage, "fields:")


def test_it_says_what_is_compared_and_by_what_records_are_found(tmp_path: Path) -> None:
    linkage = read(tmp_path, WHOLE)
    assert [(one.name, one.kind) for one in linkage.compared.compared] == [
        ("given_name", Kind.GIVEN_NAME), ("surname", Kind.FAMILY_NAME), ("whole", Kind.NAME), ("email", Kind.EMAIL),
    ]  # fmt: skip
    assert linkage.ways == (
        Way(parts=(Part(field="email"),)),
        Way(parts=(Part(field="surname", by=By.SOUND), Part(field="given_name", by=By.BEGINNINGS))),
    )
    assert linkage.terms.sides is Sides.MANY_TO_ONE
    assert linkage.target.delta == 0.1


def test_without_blocks_records_are_found_by_what_each_kind_is_known_by() -> None:
    linkage = Linkage.model_validate({"fields": {"email": "email", "phone": "phone", "note": "text"}})
    assert linkage.ways == (Way(parts=(Part(field="email"),)), Way(parts=(Part(field="phone", by=By.DIGITS),)))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("fields: {}", "at least 1 item"),
        ("fields: {email: mail}", "Input should be 'name', 'given_name'"),
        ("fields: {email: email}\nblocks: [phone]", "blocks.0: not compared: phone. Use one of: email, or add it to"),
        ("fields: {email: email}\nblocks: [{email: soundex}]", "Input should be 'whole', 'beginnings'"),
        ("fields: {email: email}\nblocks: [{}]", "at least 1 item"),
        ("fields: {a: {kind: name, also_in: [b]}}", "fields.a.also_in: not compared: b"),
        ("fields: {a: {kind: name, also_in: [a]}, b: name}", "fields.a.also_in: not compared: a. Use one of: b"),
        ("fields: {note: text}", "nothing to find records by: add 'blocks', or a field of one of these kinds"),
        ("fields: {email: email}\ntarget: {wrong: 0}", "greater than 0"),
        ("fields: {email: email}\nmodel: ../people.json", "match pattern"),
        ("fields: {email: email}\nblock: [email]", "Did you mean 'blocks'?"),
    ],
)
def test_every_mistake_names_its_mend(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(PolicyInvalid) as told:
        read(tmp_path, text)
    assert fault in str(told.value)


def learned(linkage: Linkage) -> LinkageModel:
    odds = {name: FieldOdds(levels={Level.SAME: Odds(m=0.9, u=0.1)}) for name in linkage.fields}
    return LinkageModel(fields=linkage.compared, ways=linkage.ways, odds=odds, prior=0.01, pairs=10)


def proof(linkage: Linkage, *, target: float = 0.01, delta: float = 0.05) -> LinkageProof:
    promise = Promise(target=target)
    return LinkageProof(
        made_for=linkage.terms.proven_for(learned(linkage)), target=target, delta=delta,
        curve=Curve(slope=1, middle=0), linked=promise, apart=promise, fitted_on=1, n=1,
    )  # fmt: skip


EMAIL = Linkage.model_validate({"fields": {"email": "email"}})


def test_the_model_stands_beside_the_policy(tmp_path: Path) -> None:
    policy = tmp_path / "people.yaml"
    path = linkage_path(policy, EMAIL)
    assert path == tmp_path / "people.linkage.json"
    record = LinkageRecord(model=learned(EMAIL), proof=proof(EMAIL))
    path.write_text(record.model_dump_json(), encoding="utf-8")
    assert load_linkage(policy, EMAIL) == record
    named = EMAIL.model_copy(update={"model": "shared.linkage.json"})
    assert linkage_path(policy, named) == tmp_path / "shared.linkage.json"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "no such file. Fit the linkage on the records of both systems first."),
        ("{}", "not a linkage model. Remove the file and fit the linkage again."),
        (LinkageRecord(model=learned(EMAIL)).model_dump_json(), "made for other fields or blocks than"),
    ],
)
def test_a_model_that_is_none_or_another_is_refused(tmp_path: Path, content: str | None, fault: str) -> None:
    if content is not None:
        (tmp_path / "people.linkage.json").write_text(content, encoding="utf-8")
    other = Linkage.model_validate({"fields": {"email": "email", "phone": "phone"}})
    with pytest.raises(PolicyInvalid) as told:
        load_linkage(tmp_path / "people.yaml", other)
    assert fault in str(told.value)


@pytest.mark.parametrize(
    ("changed", "made", "holds"),
    [
        pytest.param({}, {}, True, id="it is of this model and promises enough"),
        pytest.param({"margin": 5.0}, {}, False, id="pairing goes by other terms"),
        pytest.param({"target": {"wrong": 0.001}}, {}, False, id="the policy wants more"),
        pytest.param({}, {"delta": 0.2}, False, id="it is not confident enough"),
        pytest.param({}, {"target": 0.02}, False, id="it promises less"),
    ],
)
def test_a_proof_holds_for_what_it_was_made_for(changed: dict, made: dict[str, float], holds: bool) -> None:
    now = Linkage.model_validate(EMAIL.model_dump() | changed)
    record = LinkageRecord(model=learned(EMAIL), proof=proof(EMAIL, **made))
    assert (record.proof_for(now) is not None) is holds


def test_without_a_proof_there_is_none() -> None:
    assert LinkageRecord(model=learned(EMAIL)).proof_for(EMAIL) is None


def test_a_part_that_is_unknown_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Linkage.model_validate({"fields": {"email": {"kind": "email", "weight": 3}}})
