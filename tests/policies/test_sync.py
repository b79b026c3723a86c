"""A policy about records that are kept in step: what it takes, what it refuses, and how a rule is written into it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kept_tables import side, write_sync
from pydantic import ValidationError

from domain.errors import PolicyInvalid
from domain.merge import Kind
from policies.fields import Conventions
from policies.linkage import linkage_path, load_linkage
from policies.load import load_workflow, sync_of
from policies.sync import Place, SyncPolicy, Way
from policies.sync_rule import owner_diff, with_owner
from tasks.prepare import check_systems

TWO = {"crm": "name", "desk": "name"}


def person(**fields: Any) -> dict[str, Any]:
    return {"fields": fields, "same_by": []}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"mode": "assist"}, "'auto', or only compared in 'shadow'", id="a mode that means nothing"),
        pytest.param({"routes": {}}, "'routes' has no meaning", id="a section of other policies"),
        pytest.param({"person": {"same_by": ["phone"]}}, "no field 'phone'", id="a key that is no field"),
        pytest.param({"person": {"match": {"fields": {"phone": "phone"}}}}, "no field 'phone'; use one of: name, email",
                     id="matched by what is no field"),
        pytest.param({"person": {"match": {"fields": {"all": {"kind": "name", "of": ["first"]}}}}}, "no field 'first'",
                     id="matched by what is put together from no field"),
        pytest.param({"person": {"match": {"fields": {"town": "place"}}}}, "nothing to find records by",
                     id="a match that finds nothing"),
        pytest.param({"person": {"duplicates": "ask"}}, "nothing says how duplicates are found", id="duplicates"),
        pytest.param(
            {"person": person(name={"at": {"crm": "name", "erp": "name"}})}, "no system 'erp'; use one of: crm, desk",
            id="a system that there is not"),
        pytest.param({"person": person(name={"at": TWO, "owner": "erp"})}, "'erp' does not have this", id="owner"),
        pytest.param(
            {"person": person(name={"at": {name: {"name": "name", "way": "to"} for name in TWO}})},
            "nobody's edits count", id="edits that count nowhere"),
        pytest.param(
            {"person": person(name={"at": TWO}, nick={"at": {"crm": "nick", "desk": "name"}})},
            "'name' of 'desk' is 'name' already", id="two fields in one place"),
        pytest.param(
            {"person": person(name={"at": {"crm": {"name": "name", "way": "to"}, "desk": "name"}, "owner": "crm"})},
            "the edits of 'crm' do not count", id="an owner who is never heard"),
        pytest.param({"person": person(name={"at": TWO, "rule": "forward"})}, "stages go with", id="no stages"),
        pytest.param(
            {"person": person(name={"at": {"crm": "name", "desk": {"name": "n", "values": {"a": "1", "b": "1"}}}})},
            "could not be told apart", id="two values with one spelling"),
        pytest.param(
            {"person": {"systems": {"crm": side("crm", only="nam == 'x'"), "desk": side("desk")}}}, "no field 'nam'",
            id="an expression over something else"),
        pytest.param({"person": {"systems": {"agreed": side("crm"), "desk": side("desk")}}}, "'agreed' is what",
                     id="a system that is called as a choice"),
        pytest.param({"person": {"systems": {"crm_always": side("crm"), "desk": side("desk")}}}, "'crm_always' is what",
                     id="a system that is called as a choice for good"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused_with_the_mend(tmp_path: Path, changes, told) -> None:
    with pytest.raises(PolicyInvalid, match=told):
        load_workflow(write_sync(tmp_path, **changes))


def test_a_system_that_cannot_be_kept_in_step_is_named(tmp_path: Path) -> None:
    policy = write_sync(tmp_path, {"crm": side("crm"), "desk": {"system": "slack"}})
    with pytest.raises(PolicyInvalid, match=r"objects\.person\.systems\.desk: .*cannot be kept in step"):
        check_systems(load_workflow(policy))


def test_other_policies_keep_nothing_in_step() -> None:
    with pytest.raises(PolicyInvalid, match="keeps no records in step"):
        sync_of(load_workflow("lead_routing"))


def test_a_field_has_the_terms_that_the_merge_takes(tmp_path: Path) -> None:
    kept = sync_of(load_workflow(write_sync(tmp_path))).objects["person"]
    terms = kept.terms(Conventions(None, None))
    assert (terms["email"].rule.owner, terms["tags"].rule.kind) == ("crm", Kind.UNION)
    assert terms["email"].spelling(" Ann@X.org") == "ann@x.org"
    assert terms["email"].normal("nobody") == ""
    assert terms["name"].spelling("Ann  Lee ") == "Ann Lee"


def test_a_model_of_each_kind_of_thing_stands_beside_the_policy(tmp_path: Path) -> None:
    match = {"fields": {"whole": {"kind": "name", "of": ["name", "town"]}, "email": "email"}}
    workflow = load_workflow(write_sync(tmp_path, person={"match": match}))
    linkage = sync_of(workflow).objects["person"].match
    assert linkage is not None
    assert linkage_path(workflow.path, linkage, "person") == tmp_path / "tiny_sync.person.linkage.json"
    with pytest.raises(PolicyInvalid, match=r"tiny_sync\.person\.linkage\.json: no such file"):
        load_linkage(workflow.path, linkage, "person")


def test_a_way_says_whose_edits_count_and_who_is_written_to(tmp_path: Path) -> None:
    at = {"crm": {"name": "name", "way": "from"}, "desk": {"name": "name", "way": "to"}}
    kept = sync_of(load_workflow(write_sync(tmp_path, person=person(name={"at": at})))).objects["person"]
    terms = kept.terms(Conventions(None, None))["name"]
    assert (terms.taken_from, terms.written_to) == ({"crm"}, {"desk"})
    assert kept.fields["name"].at["crm"].way is Way.FROM


def test_a_systems_own_spelling_goes_both_ways() -> None:
    place = Place(name="stage", values={"open": "2"})
    assert (place.read("2"), place.spelt("open")) == ("open", "2")
    assert (place.read("9"), place.spelt("9")) == ("9", "9")


SOURCE = """\
objects:
  person:
    fields:
      name: # what people are called
        at: {crm: name, desk: name}
      town:
        # where they live
        owner: crm # until autumn
        at: {crm: town, desk: town}
      code: {at: {crm: code, desk: code}}
"""


def test_a_rule_is_written_into_the_text_and_the_rest_stays() -> None:
    changed = with_owner(SOURCE, "person", "name", "desk")
    assert changed.replace("        owner: desk\n", "") == SOURCE
    assert yaml.safe_load(changed)["objects"]["person"]["fields"]["name"]["owner"] == "desk"


def test_an_owner_gives_way_to_another_and_its_comment_stays() -> None:
    changed = with_owner(SOURCE, "person", "town", "desk")
    assert "owner: desk  # until autumn" in changed
    assert yaml.safe_load(changed)["objects"]["person"]["fields"]["town"]["owner"] == "desk"


def test_the_last_field_of_a_file_takes_a_rule_too() -> None:
    source = SOURCE.replace(
        "      code: {at: {crm: code, desk: code}}\n", "      code:\n        at: {crm: code, desk: code}\n"
    )
    assert with_owner(source, "person", "code", "desk").endswith("owner: desk\n        at: {crm: code, desk: code}\n")


def test_a_field_of_which_nothing_is_said_takes_none() -> None:
    with pytest.raises(LookupError, match="not written as a block"):
        with_owner(SOURCE.replace("      code: {", "      fax:\n      code: {"), "person", "fax", "desk")


def test_what_is_no_mapping_is_no_policy() -> None:
    with pytest.raises(ValidationError):
        SyncPolicy.model_validate("a text")


@pytest.mark.parametrize("field", ["code", "phone"])
def test_what_is_not_written_as_a_block_is_left_to_people(tmp_path: Path, field: str) -> None:
    with pytest.raises(LookupError):
        with_owner(SOURCE, "person", field, "desk")
    (tmp_path / "p.yaml").write_text(SOURCE)
    assert owner_diff(tmp_path / "p.yaml", "person", field, "desk") == ""


def test_the_change_is_told_as_a_diff(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(SOURCE)
    told = owner_diff(tmp_path / "p.yaml", "person", "name", "desk").splitlines()
    assert "+        owner: desk" in told
    assert not [line for line in told if line.startswith("-") and not line.startswith("---")]
