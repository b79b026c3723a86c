"""What a policy says of duplicates, and how records are made comparable."""

from pathlib import Path

import pytest
import yaml
from builders import NOW, POLICY, claimed, policy, proposal, terms, workflow
from pydantic import ValidationError
from tiny import write_tiny

from connectors.ports import Searchable
from connectors.registry import SYSTEMS
from domain.decide import decide
from domain.delivery import Search
from domain.errors import PolicyInvalid
from domain.sameness import Identity, IdentityNames
from policies.duplicates import Duplicates, identity
from policies.intake import check
from policies.load import load_workflow
from policies.writes import operations
from tasks.prepare import check_systems

SEARCH = Search(region="DE", workflow="tiny")


def destinations(**changes: object) -> dict[str, dict[str, object]]:
    crm = yaml.safe_load(POLICY)["destinations"]["crm"]
    return {"crm": crm | changes}


def test_a_write_carries_how_its_target_is_to_be_searched() -> None:
    wide = workflow(destinations=destinations(duplicates={"search": True, "email": "email"}))
    here = claimed(email="ada@example.com")

    (crm,) = operations(here, check(here.item, wide.policy), decide(proposal(), None, terms(), NOW), wide)

    assert crm.search == Search(names=IdentityNames(), region=None, workflow="tiny.yaml")


@pytest.mark.parametrize("duplicates", [None, {"search": False}])
def test_a_write_without_a_search_carries_none(duplicates: object) -> None:
    wide = workflow(destinations=destinations(duplicates=duplicates))
    here = claimed(email="ada@example.com")

    (crm,) = operations(here, check(here.item, wide.policy), decide(proposal(), None, terms(), NOW), wide)

    assert crm.search is None


def test_values_of_which_none_tells_a_person_apart_are_refused_and_named() -> None:
    values = {"queue": "{{ route }}", "contact": "{{ email }}"}

    with pytest.raises(ValidationError, match="say which of queue, contact is email, phone or name"):
        policy(destinations=destinations(values=values, duplicates={"search": True}))
    policy(destinations=destinations(values=values, duplicates={"search": True, "email": "contact"}))
    policy(destinations=destinations(values=values, duplicates={"search": False}))


def test_a_system_that_cannot_be_searched_is_refused_with_those_that_can(tmp_path: Path) -> None:
    desk = {"system": "sandbox_help_desk", "record_key": "{{ item_id }}", "values": {"requester": "{{ email }}"}}
    path = write_tiny(tmp_path, destinations={"desk": desk | {"duplicates": {"email": "requester"}}})

    with pytest.raises(PolicyInvalid, match=r"sandbox_help_desk cannot be searched.*sandbox_crm, hubspot") as refused:
        check_systems(load_workflow(path))
    assert "destinations.desk.duplicates" in str(refused.value)


def test_what_may_be_searched_is_what_has_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {
        "sandbox_crm": {"INTERLOCK_SANDBOX_CRM_URL": "http://127.0.0.1:9"},
        "hubspot": {"INTERLOCK_HUBSPOT_TOKEN": "k"},
        "salesforce": {"INTERLOCK_SALESFORCE_TOKEN": "k", "INTERLOCK_SALESFORCE_URL": "https://x.example"},
        "sql_table": {"INTERLOCK_SQL_URL": "sqlite://"},
        "zendesk": {
            "INTERLOCK_ZENDESK_URL": "https://x.example",
            "INTERLOCK_ZENDESK_EMAIL": "a@b.example",
            "INTERLOCK_ZENDESK_TOKEN": "k",
        },
        "request_tracker": {"INTERLOCK_RT_URL": "https://x.example", "INTERLOCK_RT_TOKEN": "k"},
    }
    assert {name for name, spec in SYSTEMS.items() if spec.searchable} == set(environ)
    for name, given in environ.items():
        values = {one.name: given.get(one.name) or one.default or "" for one in SYSTEMS[name].variables}
        assert isinstance(SYSTEMS[name].open(values), Searchable)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"email": "Julia@Example.COM"}, Identity(email="julia@example.com")),
        ({"phone": "030 1234567"}, Identity(phone="+49301234567")),
        ({"email": "no address", "phone": "call me"}, Identity(email="no address", phone="call me")),
        ({"firstname": "Julia", "lastname": "Weber"}, Identity(name="Julia Weber")),
    ],
    ids=["an address", "a national number", "neither", "a name in parts"],
)
def test_an_identity_is_in_one_spelling_where_it_has_one(values: dict[str, str], expected: Identity) -> None:
    assert identity(values, SEARCH) == expected


def test_search_is_on_where_duplicates_are_named_at_all() -> None:
    assert Duplicates().search
