"""Opening a system by the name that a policy gives it."""

import pytest

from connectors.crm.hubspot import HubSpot
from connectors.crm.salesforce import Salesforce
from connectors.crm.sandbox import SandboxCrm
from connectors.help_desk.sandbox import SandboxHelpDesk
from connectors.registry import SOURCES, SYSTEMS, open_destination, open_source, reading_of
from domain.errors import PolicyInvalid

ENVIRON = {
    "INTERLOCK_SANDBOX_CRM_URL": "http://127.0.0.1:8081",
    "INTERLOCK_SANDBOX_HELP_DESK_URL": "http://127.0.0.1:8082",
    "INTERLOCK_HUBSPOT_TOKEN": "pat-not-a-real-key",
    "INTERLOCK_SALESFORCE_TOKEN": "00D-not-a-real-session",
    "INTERLOCK_SALESFORCE_URL": "https://acme.my.salesforce.com",
}


@pytest.mark.parametrize(
    ("system", "connector"),
    [
        ("sandbox_crm", SandboxCrm),
        ("sandbox_help_desk", SandboxHelpDesk),
        ("hubspot", HubSpot),
        ("salesforce", Salesforce),
    ],
)
async def test_a_system_that_is_set_up_opens(system: str, connector: type[object]) -> None:
    destination = open_destination(system, ENVIRON)
    await destination.aclose()

    assert isinstance(destination, connector)


def test_an_unknown_system_names_those_that_there_are() -> None:
    with pytest.raises(PolicyInvalid, match=r"'abacus' is unknown\. Use one of: sandbox_crm, sandbox_help_desk"):
        open_destination("abacus", ENVIRON)


@pytest.mark.parametrize("environ", [{}, {"INTERLOCK_SANDBOX_CRM_URL": ""}], ids=["missing", "empty"])
def test_a_missing_variable_is_named_with_what_to_set(environ: dict[str, str]) -> None:
    with pytest.raises(PolicyInvalid, match="set INTERLOCK_SANDBOX_CRM_URL to the address of the sandbox's CRM"):
        open_destination("sandbox_crm", environ)


@pytest.mark.parametrize("url", ["127.0.0.1:8081", "ftp://crm", "http://", "http://crm:port"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(PolicyInvalid, match="INTERLOCK_SANDBOX_CRM_URL is"):
        open_destination("sandbox_crm", {"INTERLOCK_SANDBOX_CRM_URL": url})


@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "nan", "inf"])
def test_a_timeout_that_is_no_positive_number_is_refused(seconds: str) -> None:
    with pytest.raises(PolicyInvalid, match="INTERLOCK_SANDBOX_TIMEOUT_S is"):
        open_destination("sandbox_crm", ENVIRON | {"INTERLOCK_SANDBOX_TIMEOUT_S": seconds})


def test_every_required_variable_says_what_it_is_for() -> None:
    assert all(variable.meaning for spec in SYSTEMS.values() for variable in spec.variables)


def test_every_variable_and_option_of_a_source_says_what_it_is_for() -> None:
    for spec in SOURCES.values():
        assert all(one.meaning for one in (*spec.variables, *spec.options))


OPTIONS = {
    "hubspot": {"object": "contacts", "properties": "email, name"},
    "request_tracker": {},
    "sql_table": {"table": "leads", "key": "id", "updated_at": "changed"},
    "imap": {},
    "folder": {},
}
PLACES = ENVIRON | {
    "INTERLOCK_RT_URL": "http://127.0.0.1:8083",
    "INTERLOCK_RT_TOKEN": "1-14-not-a-real-token",
    "INTERLOCK_SQL_URL": "sqlite://",
    "INTERLOCK_IMAP_HOST": "imap.example.com",
    "INTERLOCK_IMAP_USER": "reader",
    "INTERLOCK_IMAP_PASSWORD": "not-a-real-password",
    "INTERLOCK_DROP_FOLDER": "/nowhere/yet",
}


@pytest.mark.parametrize("source", OPTIONS)
async def test_a_source_that_is_set_up_opens(source: str) -> None:
    await open_source(source, OPTIONS[source], PLACES).aclose()


@pytest.mark.parametrize("source", OPTIONS)
def test_a_source_that_is_not_set_up_says_what_to_set(source: str) -> None:
    with pytest.raises(PolicyInvalid, match=rf"source '{source}' is not set up: set INTERLOCK_\w+ to the "):
        open_source(source, OPTIONS[source], {})


@pytest.mark.parametrize(
    ("source", "options", "complaint"),
    [
        ("pop3", {}, "source 'pop3' is unknown. Use one of: imap, folder, hubspot"),
        ("imap", {"folder": "Leads"}, "options: no 'folder'; use since"),
        ("hubspot", {"object": "contacts"}, "options: give 'properties', names of the properties"),
        ("sql_table", {"table": "leads", "key": "id"}, "options: give 'updated_at', the column that holds when"),
        ("request_tracker", {"since": "soon"}, "options: since is 'soon'; give the date from which on"),
        ("request_tracker", {"since": "2026-02-30"}, "options: since is '2026-02-30'"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_the_mend(
    source: str, options: dict[str, str], complaint: str
) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        open_source(source, options, PLACES)
    assert complaint in str(refused.value)


def test_a_reading_is_named_by_source_and_options_and_by_their_values_alone() -> None:
    plain, queue = reading_of("request_tracker", {}), reading_of("request_tracker", {"queue": "Support"})

    assert reading_of("imap", {}) == "imap"
    assert plain != queue
    assert reading_of("request_tracker", {"queue": "", "since": ""}) == plain
