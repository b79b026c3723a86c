"""What each connector finds of its system, by what the vendor answers; nothing is written."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
import respx
from sqlalchemy import create_engine, text

from connectors.diagnosis import Aspect, Diagnosable, Diagnosis, Grade, Use, quota
from connectors.registry import SYSTEMS, open_destination

pytestmark = pytest.mark.respx(assert_all_called=False)
HUBSPOT, SALESFORCE, ZENDESK = (
    "https://hubspot.test",
    "https://acme.test/services/data/v68.0",
    "https://desk.test/api/v2",
)
RT, SLACK, PAPERLESS = "https://rt.test/REST/2.0", "https://slack.test", "https://paperless.test/api"
ENVIRON = {
    "INTERLOCK_HUBSPOT_URL": HUBSPOT,
    "INTERLOCK_HUBSPOT_TOKEN": "s3cret",
    "INTERLOCK_SALESFORCE_URL": "https://acme.test",
    "INTERLOCK_SALESFORCE_TOKEN": "s3cret",
    "INTERLOCK_ZENDESK_URL": "https://desk.test",
    "INTERLOCK_ZENDESK_EMAIL": "agent@example.com",
    "INTERLOCK_ZENDESK_TOKEN": "s3cret",
    "INTERLOCK_RT_URL": "https://rt.test",
    "INTERLOCK_RT_TOKEN": "s3cret",
    "INTERLOCK_SLACK_URL": SLACK,
    "INTERLOCK_SLACK_TOKEN": "s3cret",
    "INTERLOCK_PAPERLESS_URL": "https://paperless.test",
    "INTERLOCK_PAPERLESS_TOKEN": "s3cret",
}
TEXT = {"type": "string", "hasUniqueValue": False}
HUBSPOT_WELL = {
    f"GET {HUBSPOT}/account-info/2026-03/details": {"portalId": 7, "timeZone": "UTC"},
    f"POST {HUBSPOT}/oauth/v2/private-apps/get/access-token-info": {
        "scopes": ["crm.objects.contacts.read", "crm.objects.contacts.write"]
    },
    f"GET {HUBSPOT}/account-info/2026-03/api-usage/daily/private-apps": {
        "results": [{"usageLimit": 1000, "currentUsage": 10, "resetsAt": "2026-03-02T00:00:00Z"}]
    },
    f"GET {HUBSPOT}/crm/properties/2026-03/contacts": {
        "results": [
            {"name": "email", **TEXT},
            {"name": "interlock_id", **TEXT, "hasUniqueValue": True},
            {"name": "interlock_operation", **TEXT},
            {"name": "createdate", **TEXT, "modificationMetadata": {"readOnlyValue": True}},
        ]
    },
}
SALESFORCE_WELL = {
    f"GET {SALESFORCE}/limits": {"DailyApiRequests": {"Max": 100, "Remaining": 90}},
    f"GET {SALESFORCE}/sobjects/Lead/describe": {
        "fields": [
            {"name": "Email"},
            {"name": "InterlockId__c", "externalId": True, "unique": True},
            {"name": "InterlockOperation__c"},
            {"name": "CreatedDate", "createable": False, "updateable": False},
        ]
    },
}
ZENDESK_WELL = {
    f"GET {ZENDESK}/users/me.json": {"user": {"id": 3, "role": "agent"}},
    f"GET {ZENDESK}/ticket_fields.json": {"ticket_fields": [{"id": 1001}, {"id": 1002, "active": False}]},
}
RT_WELL = {
    f"GET {RT}/rt": {"Version": "5.0.3"},
    f"GET {RT}/queue/Sales": {
        "id": 1,
        "TicketCustomFields": [{"id": "1", "name": "RecordKey"}, {"id": "2", "name": "OperationId"}],
    },
}
SLACK_WELL = {
    f"POST {SLACK}/auth.test": {"ok": True, "team": "Acme", "user": "interlock"},
    f"GET {SLACK}/conversations.history": {"ok": True, "messages": []},
}
PAPERLESS_WELL = {
    f"GET {PAPERLESS}/documents/": {"count": 3, "results": []},
    f"GET {PAPERLESS}/ui_settings/": {"permissions": ["add_document", "view_document"]},
    f"GET {PAPERLESS}/custom_fields/5/": {"name": "operation", "data_type": "string"},
}
WELL: Mapping[str, tuple[Mapping[str, object], Mapping[str, str], Sequence[str], Mapping[str, str]]] = {
    "hubspot": (HUBSPOT_WELL, {}, ["email"], {}),
    "salesforce": (SALESFORCE_WELL, {}, ["Email"], {}),
    "zendesk": (ZENDESK_WELL, {}, ["subject", "field_1001"], {}),
    "request_tracker": (RT_WELL, {}, ["queue", "subject"], {"queue": "Sales"}),
    "slack": (SLACK_WELL, {"channel": "C0000000001"}, ["text"], {}),
    "paperless": (PAPERLESS_WELL, {"operation_field": "5"}, ["content", "title"], {}),
}
"""By system: what it answers when all is well, and the options, fields and fixed values that it is used with."""


async def found(
    respx_mock: respx.MockRouter, system: str, answers: Mapping[str, object] = {}, fields: Sequence[str] = ()
) -> Diagnosis:
    """What the connector finds where the system answers so, and else well."""
    usual, options, written, fixed = WELL[system]
    for request, answer in {**usual, **answers}.items():
        method, url = request.split(" ", 1)
        response = answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)
        respx_mock.request(method, url__startswith=url).mock(return_value=response)
    respx_mock.route().mock(return_value=httpx.Response(404, json={"message": "not there"}))
    destination = open_destination(system, ENVIRON)
    assert isinstance(destination, Diagnosable)
    use = Use(SYSTEMS[system].chosen(options), frozenset([*written, *fields]), fixed)
    try:
        return await destination.diagnose([use])
    finally:
        await destination.aclose()


def graded(diagnosis: Diagnosis, grade: Grade) -> list[tuple[Aspect, str]]:
    return [(one.aspect, f"{one.says} → {one.mend}") for one in diagnosis.findings if one.grade is grade]


@pytest.mark.parametrize("system", WELL)
async def test_nothing_is_wrong_where_all_is_well(system: str, respx_mock: respx.MockRouter) -> None:
    diagnosis = await found(respx_mock, system)
    assert not graded(diagnosis, Grade.WRONG)
    assert not graded(diagnosis, Grade.WARNING)
    assert {Aspect.ANSWERS, Aspect.KEY, Aspect.FIELDS} <= {one.aspect for one in diagnosis.findings}


@pytest.mark.parametrize(
    ("system", "answers", "fields", "aspect", "told"),
    [
        pytest.param(
            "hubspot",
            {f"POST {HUBSPOT}/oauth/v2/private-apps/get/access-token-info": {"scopes": ["crm.objects.contacts.read"]}},
            [],
            Aspect.RIGHTS,
            "crm.objects.contacts.write",
            id="HubSpot: a scope is missing",
        ),
        pytest.param(
            "hubspot", {}, ["budget"], Aspect.FIELDS, "contacts has no budget", id="HubSpot: no such property"
        ),
        pytest.param(
            "hubspot", {}, ["createdate"], Aspect.FIELDS, "createdate cannot be written", id="HubSpot: a computed one"
        ),
        pytest.param(
            "hubspot",
            {
                f"GET {HUBSPOT}/crm/properties/2026-03/contacts": {
                    "results": [{"name": name} for name in ("email", "interlock_id", "interlock_operation")]
                }
            },
            [],
            Aspect.FIELDS,
            "interlock_id is not unique",
            id="HubSpot: a key that is not unique",
        ),
        pytest.param(
            "hubspot",
            {
                f"GET {HUBSPOT}/account-info/2026-03/api-usage/daily/private-apps": {
                    "results": [{"usageLimit": 100, "currentUsage": 100}]
                }
            },
            [],
            Aspect.QUOTA,
            "0 of 100 calls of the day are left",
            id="HubSpot: the day's calls are used up",
        ),
        pytest.param(
            "hubspot",
            {f"GET {HUBSPOT}/account-info/2026-03/details": httpx.Response(401, json={"message": "bad s3cret"})},
            [],
            Aspect.KEY,
            "INTERLOCK_HUBSPOT_TOKEN",
            id="HubSpot: the key is refused",
        ),
        pytest.param(
            "salesforce", {}, ["Budget__c"], Aspect.FIELDS, "Lead has no Budget__c", id="Salesforce: no such field"
        ),
        pytest.param(
            "salesforce",
            {},
            ["CreatedDate"],
            Aspect.RIGHTS,
            "CreatedDate cannot be written",
            id="Salesforce: read-only",
        ),
        pytest.param(
            "salesforce",
            {f"GET {SALESFORCE}/sobjects/Lead/describe": httpx.Response(404, json=[{"errorCode": "NOT_FOUND"}])},
            [],
            Aspect.FIELDS,
            "sobjects/Lead/describe",
            id="Salesforce: no such object",
        ),
        pytest.param(
            "salesforce",
            {
                f"GET {SALESFORCE}/sobjects/Lead/describe": {
                    "createable": False,
                    "fields": [
                        {"name": name, "externalId": True, "unique": True}
                        for name in ("Email", "InterlockId__c", "InterlockOperation__c")
                    ],
                }
            },
            [],
            Aspect.RIGHTS,
            "may not create Lead records",
            id="Salesforce: no right to create",
        ),
        pytest.param(
            "zendesk",
            {f"GET {ZENDESK}/users/me.json": {"user": {"id": None, "role": "end-user"}}},
            [],
            Aspect.KEY,
            "takes us for nobody",
            id="Zendesk: anonymous, which answers 200",
        ),
        pytest.param(
            "zendesk",
            {f"GET {ZENDESK}/users/me.json": {"user": {"id": 3, "role": "end-user"}}},
            [],
            Aspect.RIGHTS,
            "end-user",
            id="Zendesk: no agent",
        ),
        pytest.param("zendesk", {}, ["field_1002"], Aspect.FIELDS, "no field_1002", id="Zendesk: a switched-off field"),
        pytest.param("zendesk", {}, ["colour"], Aspect.FIELDS, "Use subject", id="Zendesk: no value of a ticket"),
        pytest.param(
            "request_tracker", {}, ["town"], Aspect.FIELDS, "'Sales' has no town", id="RT: no such custom field"
        ),
        pytest.param(
            "request_tracker",
            {f"GET {RT}/queue/Sales": httpx.Response(404, json={"message": "Queue does not exist"})},
            [],
            Aspect.FIELDS,
            "Make the queue 'Sales'",
            id="RT: no such queue",
        ),
        pytest.param(
            "slack",
            {
                f"POST {SLACK}/auth.test": httpx.Response(
                    200, json={"ok": True}, headers={"x-oauth-scopes": "chat:write"}
                )
            },
            [],
            Aspect.RIGHTS,
            "lacks *:history",
            id="Slack: a scope is missing",
        ),
        pytest.param(
            "slack",
            {f"GET {SLACK}/conversations.history": {"ok": False, "error": "not_in_channel"}},
            [],
            Aspect.FIELDS,
            "invite the app",
            id="Slack: not in the channel",
        ),
        pytest.param(
            "slack",
            {f"POST {SLACK}/auth.test": {"ok": False, "error": "invalid_auth"}},
            [],
            Aspect.KEY,
            "invalid_auth",
            id="Slack: the token is refused inside a 200",
        ),
        pytest.param(
            "paperless",
            {f"GET {PAPERLESS}/ui_settings/": {"permissions": ["view_document"]}},
            [],
            Aspect.RIGHTS,
            "add_document",
            id="Paperless: may not add",
        ),
        pytest.param(
            "paperless",
            {f"GET {PAPERLESS}/custom_fields/5/": {"name": "when", "data_type": "date"}},
            [],
            Aspect.FIELDS,
            "holds no text",
            id="Paperless: a custom field of dates",
        ),
    ],
)
async def test_what_is_wrong_is_told_with_its_mend_and_no_secret(
    system: str,
    answers: Mapping[str, object],
    fields: Sequence[str],
    aspect: Aspect,
    told: str,
    respx_mock: respx.MockRouter,
) -> None:
    diagnosis = await found(respx_mock, system, answers, fields)
    [(where, says)] = graded(diagnosis, Grade.WRONG)
    assert where is aspect
    assert told in says
    assert diagnosis.answered
    assert "s3cret" not in repr(diagnosis)


@pytest.mark.parametrize("system", WELL)
async def test_a_system_that_does_not_answer_is_wrong_and_nothing_else_is_said(
    system: str, respx_mock: respx.MockRouter
) -> None:
    respx_mock.route().mock(side_effect=httpx.ConnectError("refused"))
    destination = open_destination(system, ENVIRON)
    assert isinstance(destination, Diagnosable)
    diagnosis = await destination.diagnose([])
    await destination.aclose()
    [(aspect, says)] = graded(diagnosis, Grade.WRONG)
    assert (aspect, diagnosis.answered) == (Aspect.ANSWERS, False)
    assert "not reached" in says


async def test_a_limit_that_is_met_is_a_warning(respx_mock: respx.MockRouter) -> None:
    limited = httpx.Response(429, json={}, headers={"Retry-After": "30"})
    diagnosis = await found(respx_mock, "zendesk", {f"GET {ZENDESK}/users/me.json": limited})
    [(aspect, _)] = graded(diagnosis, Grade.WARNING)
    assert aspect is Aspect.QUOTA


async def test_what_a_key_may_not_ask_is_untold(respx_mock: respx.MockRouter) -> None:
    path = f"POST {HUBSPOT}/oauth/v2/private-apps/get/access-token-info"
    diagnosis = await found(respx_mock, "hubspot", {path: httpx.Response(404, json={})})
    assert [aspect for aspect, _ in graded(diagnosis, Grade.UNTOLD)] == [Aspect.RIGHTS]
    assert not graded(diagnosis, Grade.WRONG)


async def test_hubspot_is_asked_for_the_scopes_of_the_token_in_body_and_header(respx_mock: respx.MockRouter) -> None:
    await found(respx_mock, "hubspot")
    (asked,) = [call.request for call in respx_mock.calls if call.request.url.path.endswith("/access-token-info")]
    assert (asked.method, asked.url.path) == ("POST", "/oauth/v2/private-apps/get/access-token-info")
    assert json.loads(asked.content) == {"tokenKey": "s3cret"}
    assert asked.headers["Authorization"] == "Bearer s3cret"
    assert all("s3cret" not in str(call.request.url) for call in respx_mock.calls)


async def test_a_clock_that_is_ahead_is_told_by_the_date_header(respx_mock: respx.MockRouter) -> None:
    told = {"user": {"id": 3, "role": "agent"}}
    far = datetime.now(UTC) + timedelta(seconds=90)
    answer = httpx.Response(200, json=told, headers={"Date": format_datetime(far, usegmt=True)})
    diagnosis = await found(respx_mock, "zendesk", {f"GET {ZENDESK}/users/me.json": answer})
    assert diagnosis.ahead_s is not None
    assert 0 < diagnosis.ahead_s <= 91


@pytest.mark.parametrize(
    ("used", "grade"), [(0, Grade.WELL), (90, Grade.WELL), (91, Grade.WARNING), (100, Grade.WRONG), (120, Grade.WRONG)]
)
def test_a_quota_is_scarce_when_less_than_a_tenth_is_left(used: float, grade: Grade) -> None:
    assert quota(used, 100, "calls").grade is grade


@pytest.fixture
def leads(tmp_path: Path) -> str:
    engine = create_engine(f"sqlite:///{tmp_path / 'leads.db'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE leads (id TEXT PRIMARY KEY, email TEXT, operation_id TEXT)"))
        connection.execute(text("CREATE TABLE loose (id TEXT, email TEXT, operation_id TEXT)"))
    engine.dispose()
    return f"sqlite:///{tmp_path / 'leads.db'}"


@pytest.mark.parametrize(
    ("table", "fields", "told"),
    [
        pytest.param("leads", ["email"], None, id="a table with its columns"),
        pytest.param("leads", ["email", "town"], "table 'leads' has no town", id="a column is missing"),
        pytest.param("nobody", ["email"], "no table 'nobody'", id="the table is missing"),
        pytest.param("loose", ["email"], "'id' of table 'loose' is not unique", id="a key that is not unique"),
    ],
)
async def test_a_table_is_looked_at_as_it_will_be_written(
    leads: str, table: str, fields: Sequence[str], told: str | None
) -> None:
    destination = open_destination("sql_table", {"INTERLOCK_SQL_URL": leads})
    assert isinstance(destination, Diagnosable)
    options = SYSTEMS["sql_table"].chosen({"table": table, "key": "id"})
    diagnosis = await destination.diagnose([Use(options, frozenset(fields))])
    await destination.aclose()
    wrong = graded(diagnosis, Grade.WRONG)
    assert (told is None) == (not wrong)
    assert told is None or told in wrong[0][1]


async def test_a_folder_that_takes_no_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    destination = open_destination("object_store", {})
    assert isinstance(destination, Diagnosable)
    uses = [
        Use({"folder": f"file://{folder}"}, frozenset({"content"})) for folder in (tmp_path, tmp_path / "file" / "x")
    ]
    fine, blocked, fields = (await destination.diagnose(uses)).findings
    assert (fine.grade, blocked.grade, fields.grade) == (Grade.WELL, Grade.WRONG, Grade.WELL)


async def test_a_described_api_is_reached_and_one_without_description_is_told(tmp_path: Path) -> None:
    described = {"INTERLOCK_APIS": str(tmp_path)}
    destination = open_destination("described", described)
    assert isinstance(destination, Diagnosable)
    [wrong] = (await destination.diagnose([Use({"api": "crm"})])).findings
    assert (wrong.grade, wrong.aspect) == (Grade.WRONG, Aspect.SETTINGS)
    assert "crm.yaml" in wrong.says


async def test_smtp_is_greeted_and_no_mail_is_begun(tmp_path: Path) -> None:
    environ = {
        "INTERLOCK_SMTP_HOST": "127.0.0.1",
        "INTERLOCK_SMTP_PORT": "9",
        "INTERLOCK_SMTP_TLS": "off",
        "INTERLOCK_SMTP_FROM": "a@example.com",
    }
    destination = open_destination("smtp", environ)
    assert isinstance(destination, Diagnosable)
    [wrong] = (await destination.diagnose([])).findings
    assert (wrong.grade, wrong.aspect) == (Grade.WRONG, Aspect.ANSWERS)


def test_every_system_tells_how_it_stands() -> None:
    silent = [name for name, spec in SYSTEMS.items() if not hasattr(_opened_class(spec.open), "diagnose")]
    assert silent == []


def _opened_class(opens: object) -> object:
    return getattr(opens, "__annotations__", {}).get("return")
