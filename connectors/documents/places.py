"""How one document gets to its place whole, on an object store, in a local folder, or on any other file system."""

import asyncio
import errno
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote
from uuid import uuid4

from fsspec import AbstractFileSystem  # type: ignore[import-untyped]
from fsspec.asyn import sync  # type: ignore[import-untyped]
from fsspec.core import url_to_fs  # type: ignore[import-untyped]
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from domain.errors import PolicyInvalid
from domain.values import digest

LONGEST_NAME = 150
"""Characters of a key in a file's name: file systems take 255 bytes, and the rest is for endings."""
TRACE = "interlock-operation"
"""Name of the metadata that holds the operation's id."""
NAME = "interlock-name"


@dataclass(frozen=True)
class Trace:
    """What is kept beside a document."""

    operation_id: str
    name: str


class Place(Protocol):
    """Somewhere that documents are kept; blocking calls."""

    def create(self, path: str, content: bytes, trace: Trace) -> None:
        """Store a document.

        Raises:
            FileExistsError: there is one already; it is left as it is.
            OSError: anything else.
        """
        ...

    def content(self, path: str) -> bytes:
        """A document's bytes; FileNotFoundError if there is none."""
        ...

    def operation_id(self, path: str) -> str | None:
        """The id of the operation that stored the document; None if there is none, or it is not ours."""
        ...

    def look(self, root: str) -> str:
        """See whether the root can be listed, writing nothing; says what a store of documents there begins with.

        Raises:
            OSError: it cannot.
        """
        ...


def file_name(record_key: str, suffix: str) -> str:
    """A name that only this key has: letters, digits and a few signs as they are, the rest escaped."""
    plain = re.sub(r"^\.", "%2E", quote(record_key, safe="@=+,~")) or "%"  # which no other key gives
    if len(plain) > LONGEST_NAME:
        plain = f"{plain[: LONGEST_NAME - 41]}-{digest(record_key)[:40]}"
    return plain + suffix


def open_place(folder: str, s3: Mapping[str, Any], timeout_s: float) -> tuple[Place, str]:
    """The place that an fsspec URL names, and the root inside it.

    Args:
        s3: what s3fs is opened with, where the URL is one of S3.
        timeout_s: for each call to S3.

    Raises:
        PolicyInvalid: no URL that fsspec knows, or its package is not installed.
    """
    scheme = folder.partition("://")[0].partition("::")[0]
    try:
        fs, root = url_to_fs(folder, skip_instance_cache=True, **(s3 if scheme in {"s3", "s3a"} else {}))
    except ImportError as exc:
        package = "'interlock[s3]'" if scheme in {"s3", "s3a"} else f"the fsspec package for {scheme}://"
        raise PolicyInvalid(f"options: folder '{folder}' needs another package: pip install {package}") from exc
    except ValueError as exc:
        raise PolicyInvalid(f"options: folder '{folder}' is no URL that fsspec knows; write s3://…, file:///…") from exc
    if scheme in {"s3", "s3a"}:
        return ObjectStore(fs, timeout_s), root
    return (LocalFolder(fs) if isinstance(fs, LocalFileSystem) else OtherFolder(fs)), root


class ObjectStore:
    """S3 and what speaks like it: one put, refused if the key is taken, the operation's id as metadata."""

    def __init__(self, fs: AbstractFileSystem, timeout_s: float) -> None:
        self._fs, self._timeout_s = fs, timeout_s
        fs.retries = 1  # waiting and trying again is the outbox's

    def create(self, path: str, content: bytes, trace: Trace) -> None:
        """Put the object with `If-None-Match: *`."""
        metadata = {TRACE: trace.operation_id, NAME: quote(trace.name)}
        try:
            # One put whatever the size: parts could be left behind half.
            self._call("pipe_file", path, content, mode="create", Metadata=metadata, chunksize=LARGEST_PUT)
        except OSError as exc:
            if exc.errno == errno.EINVAL and "precondition" in str(exc).lower():  # stores that name no condition
                raise FileExistsError(path) from exc
            raise

    def content(self, path: str) -> bytes:
        """The object's bytes."""
        content: bytes = self._call("cat_file", path)
        return content

    def operation_id(self, path: str) -> str | None:
        """The metadata of the object."""
        try:
            metadata: dict[str, str] = self._call("metadata", path)
        except FileNotFoundError:
            return None
        return metadata.get(TRACE)

    def look(self, root: str) -> str:
        """The bucket must be there; a prefix needs no making."""
        self._call("ls", root.partition("/")[0])
        return "the bucket can be listed"

    def _call(self, method: str, *args: Any, **options: Any) -> Any:
        """A call's result, or TimeoutError: its own timeouts let a put wait for ever for leave to send its body."""
        asynchronous = getattr(self._fs, f"_{method}")  # as fsspec names them
        return sync(self._fs.loop, asyncio.wait_for, asynchronous(*args, **options), self._timeout_s)


LARGEST_PUT = 5 * 2**30
"""Bytes that S3 takes in one put (its API reference, PutObject)."""


class _Folder:
    """Documents as files, each with a hidden file beside it that holds the operation's id."""

    def __init__(self, fs: AbstractFileSystem) -> None:
        self._fs = fs

    def content(self, path: str) -> bytes:
        """The file's bytes."""
        content: bytes = self._fs.cat_file(path)
        return content

    def operation_id(self, path: str) -> str | None:
        """What the hidden file says, if the document itself is there."""
        try:
            beside = json.loads(self._fs.cat_file(_beside(path)))
        except (FileNotFoundError, ValueError):
            return None
        known = beside.get(TRACE) if isinstance(beside, dict) and self._fs.exists(path) else None
        return known if isinstance(known, str) else None


class LocalFolder(_Folder):
    """A folder of this machine: written under another name, synced, then linked to its own."""

    def look(self, root: str) -> str:
        """The nearest folder that is there must take files."""
        folder = Path(root)
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            raise PermissionError(errno.EACCES, "no files may be made in it", str(there))
        return "the folder takes files" if there == folder else f"the folder will be made in {there}"

    def create(self, path: str, content: bytes, trace: Trace) -> None:
        """Link the finished file to its name, which fails if the name is taken."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise FileExistsError(path)
        _write_whole(Path(_beside(path)), _beside_text(trace), replace=True)
        _write_whole(target, content, replace=False)


def _write_whole(target: Path, content: bytes, *, replace: bool) -> None:
    part = target.with_name(f".{uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            part.replace(target)
        else:
            os.link(part, target)
    finally:
        part.unlink(missing_ok=True)


class OtherFolder(_Folder):
    """Any other file system: written under another name, then moved; the outbox sends one at a time for a key."""

    def look(self, root: str) -> str:
        """The folder, or its making, shows whether the file system answers."""
        return "the folder is there" if self._fs.exists(root) else "the folder will be made"

    def create(self, path: str, content: bytes, trace: Trace) -> None:
        """Move the finished file to its name, if that is free."""
        if self._fs.exists(path):
            raise FileExistsError(path)
        folder, _, name = path.rpartition("/")
        with suppress(FileExistsError):
            self._fs.makedirs(folder, exist_ok=True)
        part = f"{folder}/.{name}.{uuid4().hex}.part"
        self._fs.pipe_file(_beside(path), _beside_text(trace))
        try:
            self._fs.pipe_file(part, content)
            self._fs.mv(part, path)
        except BaseException:
            with suppress(OSError):
                self._fs.rm_file(part)
            raise


def _beside(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.interlock.json"


def _beside_text(trace: Trace) -> bytes:
    return json.dumps({TRACE: trace.operation_id, NAME: trace.name}).encode()
