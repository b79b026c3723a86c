"""Opening a system by the name that a policy gives it."""

import pytest

from connectors.crm.hubspot import HubSpot
from connectors.crm.salesforce import Salesforce
from connectors.crm.sandbox import SandboxCrm
from connectors.help_desk.sandbox import SandboxHelpDesk
from connectors.registry import SYSTEMS, open_destination
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
