"""Opening a system by the name that a policy gives it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from connectors.crm.hubspot import HubSpot
from connectors.crm.salesforce import Salesforce
from connectors.crm.sandbox import SandboxCrm
from connectors.help_desk.sandbox import SandboxHelpDesk
from connectors.registry import SOURCES, SYSTEMS, open_destination, open_source, reading_of, scope_of
from domain.delivery import Operation
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


OVER_HTTP = {
    "sandbox_crm": {"INTERLOCK_SANDBOX_CRM_URL": ""},
    "sandbox_help_desk": {"INTERLOCK_SANDBOX_HELP_DESK_URL": ""},
    "hubspot": {"INTERLOCK_HUBSPOT_URL": "", "INTERLOCK_HUBSPOT_TOKEN": "s3cret"},
    "salesforce": {"INTERLOCK_SALESFORCE_URL": "", "INTERLOCK_SALESFORCE_TOKEN": "s3cret"},
    "zendesk": {
        "INTERLOCK_ZENDESK_URL": "",
        "INTERLOCK_ZENDESK_EMAIL": "ann@example.com",
        "INTERLOCK_ZENDESK_TOKEN": "s3cret",
    },
    "request_tracker": {"INTERLOCK_RT_URL": "", "INTERLOCK_RT_TOKEN": "s3cret"},
    "slack": {"INTERLOCK_SLACK_URL": "", "INTERLOCK_SLACK_TOKEN": "s3cret"},
    "paperless": {"INTERLOCK_PAPERLESS_URL": "", "INTERLOCK_PAPERLESS_TOKEN": "s3cret"},
}
"""What opens each system that speaks HTTP and is no file's description; the empty one is its address."""
KEYS = {
    system: next(name for name, text in environ.items() if text == "s3cret")
    for system, environ in OVER_HTTP.items()
    if "s3cret" in environ.values()
}

CURLY = "s3cret\N{RIGHT DOUBLE QUOTATION MARK}"


def environ_of(system: str, address: str) -> dict[str, str]:
    return {name: text or address for name, text in OVER_HTTP[system].items()}


def test_every_system_with_a_token_is_among_these() -> None:
    for system, spec in SYSTEMS.items():
        tokens = [one.name for one in spec.variables if one.name.endswith("_TOKEN") and "OAUTH" not in one.name]

        assert tokens == [KEYS[name] for name in KEYS if name == system]


@pytest.mark.parametrize("key", [CURLY, "s3cret\n", "s3 cret"], ids=["curly", "line", "blank"])
@pytest.mark.parametrize("system", KEYS)
def test_a_key_that_no_header_may_carry_is_refused_by_its_name_and_not_shown(system: str, key: str) -> None:
    environ = environ_of(system, "http://127.0.0.1:9") | {KEYS[system]: key}

    with pytest.raises(PolicyInvalid, match=rf"{KEYS[system]} holds spaces or signs .* Copy it again") as refused:
        open_destination(system, environ)
    assert "s3" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("source", ["hubspot", "request_tracker"])
def test_a_sources_key_that_no_header_may_carry_is_refused_too(source: str) -> None:
    environ = PLACES | {KEYS[source]: CURLY}

    with pytest.raises(PolicyInvalid, match="Copy it again"):
        open_source(source, OPTIONS[source], environ)


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, list[str]]]:
    """A server that hangs up: its address, and the first line of each request."""
    lines: list[str] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((await reader.readline()).decode())
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", lines


@pytest.mark.parametrize("system", OVER_HTTP)
async def test_a_system_on_this_machine_is_asked_itself_and_by_a_plain_path(
    system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the environment's proxy, which would look for it on its own machine; and a slash ends many an address."""
    given = {"channel": "C0000000001"} if system == "slack" else {}
    wanted = Operation(
        operation_id="op-1",
        item_id="item-1",
        policy="leads",
        destination="crm",
        system=system,
        record_key="item-1",
        values={"queue": "Support"},
        options=SYSTEMS[system].chosen(given),
    )
    async with listening() as (proxy, through), listening() as (address, asked):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        destination = open_destination(system, environ_of(system, f"{address}/"))
        await destination.find(wanted)
        await destination.aclose()

    assert through == []
    assert asked
    assert "//" not in asked[0]


@pytest.mark.parametrize(
    ("system", "options", "scope"),
    [
        ("described", {"api": "shop"}, "described/shop"),
        ("slack", {"channel": "C1", "markup": "no"}, "slack/C1"),
        ("object_store", {"folder": "s3://a/b"}, "object_store/s3://a/b"),
        ("hubspot", {"object": "companies"}, "hubspot"),
        ("described", {}, "described"),
        ("a system of tomorrow", {}, "a system of tomorrow"),
    ],
)
def test_a_breaker_holds_for_a_place_where_a_system_has_places(
    system: str, options: dict[str, str], scope: str
) -> None:
    write = Operation(
        operation_id="op-1",
        item_id="it-1",
        policy="p",
        destination="d",
        system=system,
        record_key="k",
        values={},
        options=options,
    )

    assert scope_of(write) == scope
