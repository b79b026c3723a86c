"""Paperless-ngx: what each answer to an upload, a task and a search comes to."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
import respx

from connectors.documents.paperless import Paperless
from connectors.registry import SYSTEMS, open_destination
from domain.delivery import DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written

URL = "https://paperless.test"
TOKEN = "s3cret-token"
UPLOAD, TASKS, DOCUMENTS = f"{URL}/api/documents/post_document/", f"{URL}/api/tasks/", f"{URL}/api/documents/"
DONE = {
    "task_id": "t-1",
    "status": "SUCCESS",
    "related_document": "12",
    "result": "Success. New document id 12 created",
}


def operation(field: str = "", **values: str) -> Operation:
    return Operation(
        operation_id="op-1",
        item_id="item-1",
        policy="mail",
        destination="archive",
        system="paperless",
        record_key="item-1",
        values=values or {"content": "hello", "name": "letter.txt"},
        options=SYSTEMS["paperless"].chosen({"operation_field": field} if field else {}),
    )


@pytest.fixture
async def paperless() -> AsyncIterator[Paperless]:
    connector = Paperless(URL, TOKEN, 5, consumption_s=20, poll_s=0.001)
    yield connector
    await connector.aclose()


@pytest.fixture
async def hasty() -> AsyncIterator[Paperless]:
    """One that looks at the task once."""
    connector = Paperless(URL, TOKEN, 5, consumption_s=0)
    yield connector
    await connector.aclose()


@pytest.fixture
def uploaded(respx_mock: respx.MockRouter) -> respx.Route:
    return respx_mock.post(UPLOAD).respond(json="t-1")


async def test_a_document_is_uploaded_and_named_once_it_is_consumed(
    paperless: Paperless, uploaded: respx.Route, respx_mock: respx.MockRouter
) -> None:
    states = [httpx.Response(200, json=answer) for answer in ([], [DONE | {"status": "STARTED"}], [DONE])]
    respx_mock.get(TASKS, params={"task_id": "t-1"}).mock(side_effect=states)

    outcome = await paperless.send(
        operation(content="hello", name="in/letter.txt", title="A letter", tags="3, 4", correspondent="7")
    )

    request = uploaded.calls.last.request
    form = request.content.decode()
    assert outcome == Written(kind="created", external_id="12")
    assert request.headers["Authorization"] == f"Token {TOKEN}"
    assert 'name="document"; filename="op-1-letter.txt"' in form
    assert 'name="title"\r\n\r\nA letter [op-1]' in form
    assert form.count('name="tags"') == 2
    assert 'name="correspondent"\r\n\r\n7' in form
    assert "hello" in form


async def test_a_custom_field_takes_the_operations_id_out_of_the_title(
    paperless: Paperless, uploaded: respx.Route, respx_mock: respx.MockRouter
) -> None:
    respx_mock.get(TASKS).respond(json=[DONE])

    await paperless.send(operation("5"))

    form = uploaded.calls.last.request.content.decode()
    assert 'name="custom_fields"\r\n\r\n{"5": "op-1"}' in form
    assert 'name="title"\r\n\r\nletter.txt\r\n' in form


async def test_a_long_title_is_cut_before_the_operations_id(
    paperless: Paperless, uploaded: respx.Route, respx_mock: respx.MockRouter
) -> None:
    respx_mock.get(TASKS).respond(json=[DONE])

    await paperless.send(operation(content="hello", title="x" * 200))

    assert "\r\n" + "x" * 120 + " [op-1]\r\n" in uploaded.calls.last.request.content.decode()


RESULTS = [
    (
        {"status": "FAILURE", "result": "letter.txt: Not consuming letter.txt: It is a duplicate of Bill (2) (#34)."},
        Written(kind="unchanged", external_id="34"),
    ),
    (
        {"status": "FAILURE", "result": "It is a duplicate of Bill (#34). Note: existing document is in the trash."},
        Invalid(detail="Paperless: It is a duplicate of Bill (#34). Note: existing document is in the trash."),
    ),
    (
        {"status": "FAILURE", "result": "Unsupported mime type application/x-executable"},
        Invalid(detail="Paperless: Unsupported mime type application/x-executable"),
    ),
    (
        {"status": "FAILURE", "result": None},
        Invalid(detail="Paperless: the consumption failed and does not say why"),
    ),
    ({"status": "SUCCESS", "related_document": 12}, Written(kind="created", external_id="12")),
    (
        {"status": "SUCCESS", "related_document": None, "result": "done"},
        Unknown(detail="Paperless: consumed, and no document is named: done"),
    ),
]


@pytest.mark.parametrize(("task", "expected"), RESULTS)
async def test_a_task_tells_what_became_of_the_document(
    paperless: Paperless,
    uploaded: respx.Route,
    respx_mock: respx.MockRouter,
    task: dict[str, object],
    expected: DeliveryOutcome,
) -> None:
    respx_mock.get(TASKS).respond(json=[{"task_id": "t-1", **task}])

    assert await paperless.send(operation()) == expected


async def test_a_consumption_that_outlasts_the_try_or_cannot_be_asked_leaves_it_unknown(
    hasty: Paperless, uploaded: respx.Route, respx_mock: respx.MockRouter
) -> None:
    pending = httpx.Response(200, json=[{"status": "PENDING"}])
    for answer in (pending, httpx.Response(503), httpx.Response(403), httpx.Response(200, text="<html>")):
        respx_mock.get(TASKS).mock(return_value=answer)

        assert isinstance(await hasty.send(operation()), Unknown)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(400, json={"document": ["No file"], "detail": "no file"}), Invalid),
        (httpx.Response(401), RetryAfter),
        (httpx.Response(429, headers={"Retry-After": "3"}), RetryAfter),
        (httpx.Response(503), Unknown),
        (httpx.Response(500), Unknown),
        (httpx.Response(200, text="<html>"), Unknown),
        (httpx.ConnectError("refused"), RetryAfter),
        (httpx.ReadTimeout("slow"), Unknown),
        (httpx.RemoteProtocolError("cut"), Unknown),
    ],
)
async def test_an_upload_that_fails_says_whether_it_may_have_arrived(
    paperless: Paperless, respx_mock: respx.MockRouter, answer: httpx.Response | Exception, expected: type[object]
) -> None:
    respx_mock.post(UPLOAD).mock(side_effect=[answer])

    outcome = await paperless.send(operation())

    assert isinstance(outcome, expected)
    assert TOKEN not in str(outcome)


@pytest.mark.parametrize("values", [{"content": "a", "colour": "red"}, {"name": "x"}, {"content_base64": "?"}])
async def test_values_that_are_no_document_are_refused(paperless: Paperless, values: dict[str, str]) -> None:
    assert isinstance(await paperless.send(operation(**values)), Invalid)


async def test_a_document_is_found_by_the_title(paperless: Paperless, respx_mock: respx.MockRouter) -> None:
    results = [{"id": 3, "title": "another"}, {"id": 12, "title": "A letter [op-1]"}]
    search = respx_mock.get(DOCUMENTS, params={"title__icontains": "[op-1]"}).respond(json={"results": results})

    assert await paperless.find(operation()) == Written(kind="created", external_id="12", found=True)
    assert search.called


async def test_a_document_is_found_by_the_custom_field(paperless: Paperless, respx_mock: respx.MockRouter) -> None:
    query = json.dumps([5, "exact", "op-1"])
    results = [
        {"id": 3, "custom_fields": [{"field": 6, "value": "op-1"}]},
        {"id": 12, "custom_fields": [{"field": 5, "value": "op-1"}]},
    ]
    respx_mock.get(DOCUMENTS, params={"custom_field_query": query}).respond(json={"results": results})

    assert await paperless.find(operation("5")) == Written(kind="created", external_id="12", found=True)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (DONE, Written(kind="created", external_id="12", found=True)),
        (DONE | {"status": "STARTED"}, Unknown(detail="Paperless: uploaded, and its consumption goes on")),
        (
            {"status": "FAILURE", "result": "It is a duplicate of Bill (#34)."},
            Written(kind="unchanged", external_id="34", found=True),
        ),
    ],
)
async def test_a_document_that_is_not_there_yet_is_looked_for_among_the_tasks(
    paperless: Paperless, respx_mock: respx.MockRouter, task: dict[str, object], expected: DeliveryOutcome
) -> None:
    tasks = [{"status": "FAILURE", "task_file_name": "op-12.pdf"}, {**task, "task_file_name": "op-1-letter.txt"}]
    respx_mock.get(DOCUMENTS).respond(json={"results": []})
    respx_mock.get(TASKS, params={"acknowledged": "false"}).respond(json=tasks)

    assert await paperless.find(operation()) == expected


HELD = {
    "title": "A letter [op-0]",
    "created": "2026-03-01T00:00:00+01:00",
    "correspondent": 7,
    "document_type": None,
    "storage_path": None,
    "tags": [3, 4, 5],
    "archive_serial_number": 12,
}
LIKE_IT = {"title": "A letter", "created": "2026-03-01", "correspondent": "7", "tags": "3, 4"}
DUPLICATE = {"status": "FAILURE", "task_file_name": "op-1-document.txt", "result": "It is a duplicate of Bill (#34)."}


@pytest.mark.parametrize(
    ("values", "lacking"),
    [
        ({}, ""),
        (LIKE_IT | {"archive_serial_number": "12"}, ""),
        (LIKE_IT | {"title": "A bill", "tags": "3, 9"}, "title 'A bill', tags '3, 9'"),
        ({"created": "2026-03-02"}, "created '2026-03-02'"),
        ({"document_type": "2"}, "document_type '2'"),
    ],
    ids=["content alone", "all the same", "another title and tag", "another day", "no type"],
)
async def test_a_document_that_was_there_before_must_have_the_other_values_too(
    paperless: Paperless,
    uploaded: respx.Route,
    respx_mock: respx.MockRouter,
    values: dict[str, str],
    lacking: str,
) -> None:
    """Paperless refuses the upload and with it whatever it carried, and the answer may be lost."""
    respx_mock.get(DOCUMENTS).respond(json={"results": []})
    respx_mock.get(f"{DOCUMENTS}34/").respond(json=HELD)
    respx_mock.get(TASKS).respond(json=[DUPLICATE])
    wanted = operation(content="hello", **values)

    sent, found = await paperless.send(wanted), await paperless.find(wanted)

    if lacking:
        said = f"document 34 has this content already, but not {lacking}; set that there, and try again"
        assert sent == found == Invalid(detail=f"Paperless: {said}")
    else:
        assert sent == Written(kind="unchanged", external_id="34")
        assert found == Written(kind="unchanged", external_id="34", found=True)


async def test_a_document_that_was_there_before_is_asked_for_later_if_it_cannot_be_read(
    paperless: Paperless, uploaded: respx.Route, respx_mock: respx.MockRouter
) -> None:
    respx_mock.get(f"{DOCUMENTS}34/").respond(503)
    respx_mock.get(TASKS).respond(json=[DUPLICATE])

    assert isinstance(await paperless.send(operation(content="hello", title="A letter")), RetryAfter)


async def test_a_title_that_was_cut_is_the_same(
    paperless: Paperless, uploaded: respx.Route, respx_mock: respx.MockRouter
) -> None:
    respx_mock.get(f"{DOCUMENTS}34/").respond(json=HELD | {"title": "x" * 120 + " [op-0]"})
    respx_mock.get(TASKS).respond(json=[DUPLICATE])

    outcome = await paperless.send(operation(content="hello", title="x" * 200))

    assert outcome == Written(kind="unchanged", external_id="34")


async def test_what_neither_documents_nor_tasks_know_was_not_written(
    paperless: Paperless, respx_mock: respx.MockRouter
) -> None:
    respx_mock.get(DOCUMENTS).respond(json={"results": [{"id": 3, "title": "a server that does not know the filter"}]})
    respx_mock.get(TASKS).respond(json=[])

    assert await paperless.find(operation()) is None


@pytest.mark.parametrize("status", [403, 429, 500])
async def test_a_look_up_that_is_refused_says_nothing_of_the_write(
    paperless: Paperless, respx_mock: respx.MockRouter, status: int
) -> None:
    documents = respx_mock.get(DOCUMENTS).respond(status)
    assert isinstance(await paperless.find(operation()), RetryAfter)

    documents.respond(json={"results": []})
    respx_mock.get(TASKS).respond(status)
    assert isinstance(await paperless.find(operation()), RetryAfter)


async def test_a_custom_field_that_is_no_number_is_refused(paperless: Paperless) -> None:
    assert isinstance(await paperless.send(operation("operation")), Invalid)
    assert isinstance(await paperless.find(operation("operation")), RetryAfter)


async def test_it_is_opened_by_name() -> None:
    opened = open_destination("paperless", {"INTERLOCK_PAPERLESS_URL": URL, "INTERLOCK_PAPERLESS_TOKEN": TOKEN})
    await opened.aclose()

    assert isinstance(opened, Paperless)
