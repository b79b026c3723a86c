"""A workflow as it was when something began under it: what is asked and done is of then, mode and people of today."""

import pytest
from tiny import write_people, write_tiny

from domain.decision import Mode
from domain.errors import PolicyInvalid
from policies.load import as_it_was, load_workflow


@pytest.fixture
def versions(tmp_path):
    """A workflow before and after its policy and its people changed."""
    write_people(tmp_path, {"people": {"Ann": {}}})
    before = load_workflow(write_tiny(tmp_path, people="people.yaml"))
    write_people(tmp_path, {"people": {"Ben": {}}})
    rules = [{"name": "all", "when": "true", "route": "access"}]
    return before, load_workflow(write_tiny(tmp_path, people="people.yaml", mode="shadow", rules=rules))


def test_rules_are_those_of_the_time_mode_and_people_those_of_today(versions):
    before, now = versions
    past = as_it_was(now, before.version, before.source)
    assert [rule.name for rule in past.policy.rules] == ["says_invoice"]
    assert (past.policy.mode, past.people.people[0].name) == (Mode.SHADOW, "Ben")


def test_it_goes_by_the_name_that_decisions_have_of_it_and_asks_nobody(versions):
    before, now = versions
    past = as_it_was(now, before.version, before.source)
    assert (past.version, past.reference) == (before.policy.fingerprint, now.reference)
    assert (past.version == now.version, past.examples, past.calibration) == (False, (), None)


def test_what_is_no_policy_any_more_is_told_with_the_version(versions):
    _, now = versions
    with pytest.raises(PolicyInvalid, match=r"tiny\.yaml@abc:1: name"):
        as_it_was(now, "abc", "name: Not A Name\n")
