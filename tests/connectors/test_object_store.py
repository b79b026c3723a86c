"""Documents in local folders, in memory and on an S3 server of moto's: whole, once, and never replaced."""

import base64
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from connectors.documents.object_store import DocumentStore
from connectors.documents.places import LONGEST_NAME, LocalFolder, Trace, file_name, open_place
from connectors.ports import Destination
from connectors.registry import SYSTEMS, open_destination
from domain.delivery import Invalid, Operation, RetryAfter, Unknown, Written

SECRET = "s3cret"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Address of an S3 server with a bucket named `docs`."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "id", "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
    bucket = boto3.client("s3", endpoint_url=address, **keys)
    bucket.create_bucket(Bucket="docs")
    bucket.close()
    yield address
    server.stop()


def opened(address: str = "", timeout: str = "5") -> Destination:
    """The connector, as the registry opens it."""
    keys = {"INTERLOCK_S3_ENDPOINT": address, "INTERLOCK_S3_KEY_ID": "id", "INTERLOCK_S3_SECRET": SECRET}
    return open_destination("object_store", {**keys, "INTERLOCK_CONNECTOR_TIMEOUT_S": timeout})


@pytest.fixture(params=["local", "memory", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder with nothing in it."""
    match request.param:
        case "local":
            return f"file://{tmp_path}/inbox"
        case "memory":
            return f"memory://{uuid4().hex}"
        case _:
            return f"s3://docs/{uuid4().hex}"


@pytest.fixture
def store(s3: str) -> Destination:
    return opened(s3)


def operation(folder: str, number: int = 1, key: str = "item-1", **values: str) -> Operation:
    return Operation(
        operation_id=f"op-{number}",
        item_id="item-1",
        policy="mail",
        destination="archive",
        system="object_store",
        record_key=key,
        values=values or {"content": "hello"},
        options=SYSTEMS["object_store"].chosen({"folder": folder}),
    )


def kept(store: Destination, folder: str, path: str) -> bytes:
    assert isinstance(store, DocumentStore)
    place, _ = store._places[folder]
    return place.content(path)


async def test_a_document_is_stored_with_the_operations_id(store: Destination, folder: str) -> None:
    scan = bytes(range(256))
    wanted = operation(folder, content_base64=base64.b64encode(scan).decode(), name="Réchnung 7.PDF")

    outcome = await store.send(wanted)

    assert isinstance(outcome, Written)
    assert outcome.kind == "created"
    assert outcome.external_id.endswith("/item-1.pdf")
    assert kept(store, folder, outcome.external_id) == scan
    assert await store.find(wanted) == Written(kind="created", external_id=outcome.external_id, found=True)


async def test_a_document_that_was_never_sent_is_not_found(store: Destination, folder: str) -> None:
    assert await store.find(operation(folder)) is None


async def test_the_same_content_again_is_unchanged_and_other_content_replaces_nothing(
    store: Destination, folder: str
) -> None:
    created = await store.send(operation(folder, 1))

    again, same, other = [
        await store.send(operation(folder, 1)),
        await store.send(operation(folder, 2)),
        await store.send(operation(folder, 3, content="something else")),
    ]

    assert isinstance(created, Written)
    assert again == created.model_copy(update={"found": True})
    assert same == created.model_copy(update={"kind": "unchanged"})
    assert isinstance(other, Invalid)
    assert "other content, and is not replaced" in other.detail
    assert kept(store, folder, created.external_id) == b"hello"
    assert await store.find(operation(folder, 2)) is None


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"name": "x"}, "give the document either as"),
        ({"content": "a", "content_base64": "YQ=="}, "give the document either as"),
        ({"content_base64": "not base64!"}, "cannot be read"),
        ({"content": "\ud800"}, "cannot be read"),
        ({"content": "a", "colour": "red"}, "no colour; use content, content_base64, name"),
    ],
)
async def test_values_that_are_no_document_are_refused(
    store: Destination, values: dict[str, str], complaint: str
) -> None:
    outcome = await store.send(operation("memory://refused", **values))

    assert isinstance(outcome, Invalid)
    assert complaint in outcome.detail


async def test_keys_never_meet_and_never_leave_the_folder(store: Destination, tmp_path: Path) -> None:
    folder = f"file://{tmp_path}/inbox"
    keys = ["a/b", "a%2Fb", "../up", ".hidden", "Ä", "x" * 400, "x" * 399 + "y", "", " "]

    outcomes = [await store.send(operation(folder, number, key)) for number, key in enumerate(keys)]

    assert {outcome.kind for outcome in outcomes} == {"created"}
    assert len([path for path in (tmp_path / "inbox").iterdir() if not path.name.startswith(".")]) == len(keys)
    assert [path.name for path in tmp_path.iterdir()] == ["inbox"]


@given(first=st.text(max_size=300), second=st.text(max_size=300))
def test_each_key_has_a_name_of_its_own_that_every_file_system_takes(first: str, second: str) -> None:
    names = [file_name(key, ".pdf") for key in (first, second) if key.isprintable()]

    assert len(set(names)) == len({key for key in (first, second) if key.isprintable()})
    assert all(len(name) <= LONGEST_NAME + 4 and "/" not in name and not name.startswith(".") for name in names)


async def test_a_local_document_is_never_there_by_half(tmp_path: Path) -> None:
    """A disk that is full in the middle of a write leaves nothing under the document's name."""
    place, root = open_place(f"file://{tmp_path}", {}, 1)
    assert isinstance(place, LocalFolder)
    (tmp_path / ".item.interlock.json").mkdir()  # so that the second file cannot be written

    with pytest.raises(OSError, match="directory"):
        place.create(f"{root}/item", b"hello", Trace("op-1", ""))

    assert [path.name for path in tmp_path.iterdir()] == [".item.interlock.json"]


async def test_what_is_found_beside_a_document_that_is_missing_counts_for_nothing(tmp_path: Path) -> None:
    store, folder = opened(), f"file://{tmp_path}"
    await store.send(operation(folder))
    (tmp_path / "item-1").unlink()

    assert await store.find(operation(folder)) is None


@pytest.mark.parametrize("there", ["hel", "somebody else's"], ids=["half of it", "another's"])
async def test_a_document_of_other_content_is_not_found_to_be_written(tmp_path: Path, there: str) -> None:
    """The operation's id is written beside it first: it says that a write was begun."""
    store, wanted = opened(), operation(f"file://{tmp_path}")
    await store.send(wanted)
    (tmp_path / "item-1").write_text(there)

    found, again = await store.find(wanted), await store.send(wanted)

    refused = f"documents: {tmp_path}/item-1 is there with other content, and is not replaced"
    assert found == again == Invalid(detail=refused)


async def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inbox").write_text("a file")

    assert isinstance(await opened().send(operation(f"file://{tmp_path}/inbox/deeper")), Invalid)


async def test_a_bucket_that_is_not_there_is_refused_and_a_look_up_there_says_nothing(store: Destination) -> None:
    assert isinstance(await store.send(operation("s3://nowhere/x")), Invalid)


async def test_a_store_that_is_down_is_asked_again_later() -> None:
    store = opened("http://127.0.0.1:9", timeout="60")
    wanted = operation("s3://docs/x")

    outcomes = [await store.send(wanted), await store.find(wanted)]

    assert [type(outcome) for outcome in outcomes] == [RetryAfter, RetryAfter]
    assert SECRET not in str(outcomes)


async def test_a_store_that_never_answers_leaves_it_unknown() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = opened(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout="0.2")

        sent = await store.send(operation("s3://docs/x"))
        found = await store.find(operation("s3://docs/x"))

    assert (type(sent), type(found)) == (Unknown, RetryAfter)


@pytest.mark.parametrize(
    ("folder", "advice"),
    [
        ("nonsense://x", "is no URL that fsspec knows"),
        ("gs://bucket/x", "needs another package: pip install the fsspec package for gs://"),
    ],
)
async def test_a_folder_that_cannot_be_opened_here_waits_for_whoever_mends_it(folder: str, advice: str) -> None:
    outcome = await opened().send(operation(folder))

    assert isinstance(outcome, RetryAfter)
    assert advice in outcome.detail
