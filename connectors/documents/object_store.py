"""Documents on S3-compatible object stores, in folders, and wherever else fsspec reaches; each is written once."""

import asyncio
import errno
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from connectors.capabilities import Capabilities, Idempotency, Upsert
from connectors.diagnosis import Aspect, Diagnosis, Finding, Use, failed, lacking, well, wrong
from connectors.documents.content import VALUES, document
from connectors.documents.places import Place, Trace, file_name, open_place
from connectors.spec import TIMEOUT_S, Option, SystemSpec, Variable, seconds
from domain.delivery import DeliveryOutcome, Hindrance, Invalid, Operation, RetryAfter, Unknown, Written
from domain.errors import InputInvalid, PolicyInvalid

ENDPOINT = Variable("INTERLOCK_S3_ENDPOINT", "address of the S3-compatible store; without it, Amazon's", "")
KEY_ID = Variable("INTERLOCK_S3_KEY_ID", "key id for S3; without it, what the AWS_ variables or the machine give", "")
SECRET = Variable("INTERLOCK_S3_SECRET", "secret of that key", "", secret=True)
FOLDER = Option("folder", "where the documents go, as an fsspec URL such as s3://bucket/prefix or file:///srv/inbox")

PASSING = frozenset({errno.EBUSY, errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})
"""What says that nothing was written, for now; s3fs makes EBUSY of 503 and SlowDown."""
REFUSING = frozenset({errno.EINVAL, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EROFS, errno.ENOSYS})
"""What will be so the next time too."""

NOT_REACHED = frozenset(
    {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "NoCredentialsError"}
)
"""Errors of botocore before anything is sent; after the others it may have been stored."""

Asked = TypeVar("Asked")
Outcome = TypeVar("Outcome")


class DocumentStore:
    """Writes the document in the values to a file that is named after the record key.

    A document is never replaced: the same content again is unchanged, another is refused.
    """

    capabilities = Capabilities(upsert=Upsert.KEY, idempotency=Idempotency.TRACE)

    def __init__(self, s3: Mapping[str, Any], timeout_s: float) -> None:
        self._s3, self._timeout_s = s3, timeout_s
        self._places: dict[str, tuple[Place, str]] = {}

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Store the document, with the operation's id beside it; safe to repeat."""
        return await asyncio.to_thread(self._guarded, self._send, operation, Unknown)

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """The document under the record key, if it carries the operation's id; `Invalid` if it is another's or half."""
        return await asyncio.to_thread(self._guarded, self._find, operation, RetryAfter)

    async def diagnose(self, uses: Sequence[Use]) -> Diagnosis:
        """Whether each folder can be listed, or will be made; whether a store takes documents shows when one is put."""
        written = {name for use in uses for name in use.fields}
        folders = sorted({use.options[FOLDER.name] for use in uses})
        found = [await asyncio.to_thread(self._looked, folder) for folder in folders]
        return Diagnosis((*found, lacking("documents", written, VALUES, f"Use {', '.join(VALUES)}")))

    def _looked(self, folder: str) -> Finding:
        def look(folder: str) -> Finding:
            place, root = self._place(folder)
            return well(Aspect.ANSWERS, f"{folder}: {place.look(root)}")

        match self._guarded(look, folder, Unknown):
            case Finding() as found:
                return found
            case Invalid(detail=detail) | RetryAfter(hindrance=Hindrance.SETUP, detail=detail):
                mend = "Make the bucket or folder, or name another in the option 'folder'"
                return wrong(Aspect.FIELDS, f"{folder}: {detail}", mend)
            case RetryAfter() | Unknown() as failure:
                return failed(failure)

    async def aclose(self) -> None:
        """Forget the places; their connections end with them."""
        self._places.clear()

    def _send(self, operation: Operation) -> DeliveryOutcome:
        if strange := sorted(operation.values.keys() - set(VALUES)):
            return Invalid(detail=f"documents: no {', '.join(strange)}; use {', '.join(VALUES)}")
        wanted = document(operation.values)
        place, path = self._where(operation)
        try:
            place.create(path, wanted.content, Trace(operation.operation_id, wanted.name))
        except FileExistsError:
            ours = place.operation_id(path) == operation.operation_id
            return _judged(place, path, operation, "created" if ours else "unchanged", found=ours)
        return Written(kind="created", external_id=path)

    def _find(self, operation: Operation) -> DeliveryOutcome | None:
        place, path = self._where(operation)
        if place.operation_id(path) != operation.operation_id:
            return None
        return _judged(place, path, operation, "created", found=True)

    def _where(self, operation: Operation) -> tuple[Place, str]:
        place, root = self._place(operation.options[FOLDER.name])
        name = file_name(operation.record_key, document(operation.values).suffix)
        return place, f"{root.rstrip('/')}/{name}"

    def _place(self, folder: str) -> tuple[Place, str]:
        if folder not in self._places:
            self._places[folder] = open_place(folder, self._s3, self._timeout_s)
        return self._places[folder]

    def _guarded(
        self, act: Callable[[Asked], Outcome], asked: Asked, lost: type[Unknown] | type[RetryAfter]
    ) -> Outcome | Invalid | Unknown | RetryAfter:
        """What `act` comes to, whatever the place raises."""
        refused = Invalid if lost is Unknown else RetryAfter
        try:
            return act(asked)
        except InputInvalid as exc:
            return refused(detail=f"documents: {exc}")
        except PolicyInvalid as exc:  # not set up here: it waits for somebody who mends that
            return RetryAfter(hindrance=Hindrance.SETUP, detail=f"documents: {exc}")
        except OSError as exc:
            return _failed(exc, refused, lost)
        except Exception as exc:
            if not type(exc).__module__.startswith("botocore"):  # which is not always installed
                raise
            said = f"documents: {type(exc).__name__}"
            return RetryAfter(detail=said) if type(exc).__name__ in NOT_REACHED else lost(detail=said)


def _judged(
    place: Place, path: str, operation: Operation, kind: Literal["created", "unchanged"], *, found: bool
) -> Written | Invalid:
    """A document that is there, by its content: not every file system moves a file as a whole or not at all."""
    if place.content(path) != document(operation.values).content:
        return Invalid(detail=f"documents: {path} is there with other content, and is not replaced")
    return Written(kind=kind, external_id=path, found=found)


def _failed(
    exc: OSError, refused: type[Invalid] | type[RetryAfter], lost: type[Unknown] | type[RetryAfter]
) -> Invalid | Unknown | RetryAfter:
    said = f"documents: {type(exc).__name__}: {exc}"
    if exc.errno in PASSING or isinstance(exc, ConnectionRefusedError):
        return RetryAfter(detail=said)
    if isinstance(exc, PermissionError):
        return RetryAfter(hindrance=Hindrance.RIGHTS, detail=said)
    if exc.errno in REFUSING or isinstance(exc, FileNotFoundError):
        return refused(detail=said)
    return lost(detail=said)


def _open(values: Mapping[str, str]) -> DocumentStore:
    s3 = {
        "endpoint_url": values[ENDPOINT.name] or None,
        "key": values[KEY_ID.name] or None,
        "secret": values[SECRET.name] or None,
        "use_listings_cache": False,
        "config_kwargs": {"retries": {"total_max_attempts": 1}},
    }
    return DocumentStore(s3, seconds(values, TIMEOUT_S))


SPEC = SystemSpec(_open, (ENDPOINT, KEY_ID, SECRET, TIMEOUT_S), (FOLDER,), place=FOLDER)
