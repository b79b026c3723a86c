"""A watched folder: whoever has something to hand in puts a file there.

Files are only read. A file is taken once nobody writes to it any more: its size and times are
what they were at the look before, or it was renamed in after its last write. One that grows
later gives what is new; one that is replaced is read again, and the inbox knows what it had.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from os import stat_result
from pathlib import Path
from stat import S_ISREG

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from connectors.files.pieces import Place
from connectors.files.reading import READERS
from connectors.ports import Arrival, Fetched, Unreadable
from connectors.spec import SourceSpec, Variable
from domain.errors import BadRequest, InputInvalid, PolicyInvalid, Unauthorised, Unavailable

FOLDER = Variable("INTERLOCK_DROP_FOLDER", "folder that is watched for .eml, .mbox, .csv and .jsonl files")

RENAMED_S = 1.0
"""A file whose inode changed so many seconds after its last write was renamed in, or copied with its times."""

UNFINISHED_S = 60.0
"""A last line without its end is taken as it stands when nobody wrote for so many seconds."""

NS = 1e9
"""Nanoseconds in a second."""

HEAD = 65_536
"""Bytes at the beginning of what was read, and at its end, by which a grown file is told from another."""


class Seen(BaseModel):
    """A file at the latest look, and how far it was read.

    Attributes:
        size: in bytes.
        modified: its last write, in ns since 1970.
        offset: bytes that were read.
        number: lines or mails that were read.
        head: digest of what was read.
        done: whether there is nothing more to read in it as it stands.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    modified: int
    offset: int = 0
    number: int = 0
    head: str = ""
    done: bool = False


class _Cursor(RootModel[dict[str, Seen]]):
    """Every file of the folder, by name; a file that leaves the folder leaves the cursor."""


class FolderDrop:
    """The files of a folder as arrivals, by their last write, the oldest first; folders in it are left alone.

    Its cursor lists the folder's files: sweep out old ones now and then, at any time.

    Args:
        source: of rows that name none. One and the same for every file, so that a row in
            tomorrow's export is known from today's.
    """

    def __init__(self, folder: Path, source: str = "folder", clock: Callable[[], datetime] | None = None) -> None:
        self._folder = folder
        self._source = source
        self._clock = clock or (lambda: datetime.now(UTC))

    async def fetch(self, cursor: str, count: int) -> Fetched:
        """Up to `count` arrivals that came since `cursor`; store it even where there are none.

        Raises:
            BadRequest: there is no such folder, or the cursor is not of this source.
            Unauthorised: the folder may not be read.
            Unavailable: the folder cannot be read now.
        """
        return await asyncio.to_thread(self._fetch, cursor, count)

    async def aclose(self) -> None:
        """Nothing stays open between two looks."""

    def _fetch(self, cursor: str, count: int) -> Fetched:
        before, now = _seen(cursor), self._clock()
        seen: dict[str, Seen] = {}
        arrivals: list[Arrival | Unreadable] = []
        for path, stat in self._files():
            known = before.get(path.name)
            seen[path.name] = file = _looked_at(stat, known)
            if not file.done and _is_complete(stat, known) and len(arrivals) < count:
                taken, seen[path.name] = self._read(path, file, count - len(arrivals), now)
                arrivals += taken
        return Fetched(tuple(arrivals), _Cursor(seen).model_dump_json(exclude_defaults=True), len(arrivals) >= count)

    def _files(self) -> list[tuple[Path, stat_result]]:
        """The files that are read here, the oldest first; hidden ones are somebody's work in progress."""
        try:
            paths = [path for path in self._folder.iterdir() if path.suffix.lower() in READERS]
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise BadRequest(f"{self._folder}: no such folder. Make it, or set {FOLDER.name} to another.") from exc
        except PermissionError as exc:
            raise Unauthorised(f"{self._folder}: may not be read. Let this user read it.") from exc
        except OSError as exc:
            raise Unavailable(f"{self._folder}: cannot be read now: {exc.strerror}") from exc
        found = [(path, stat) for path in paths if not path.name.startswith(".") and (stat := _stat(path))]
        return sorted(found, key=lambda one: (one[1].st_mtime_ns, one[0].name))

    def _read(self, path: Path, file: Seen, count: int, now: datetime) -> tuple[list[Arrival | Unreadable], Seen]:
        """Up to `count` arrivals of a file, and how far it is read then."""
        taken: list[Arrival | Unreadable] = []
        try:
            place = Place(file.offset, file.number) if file.head == _head(path, file.offset) else Place()
            done = True
            for piece in READERS[path.suffix.lower()](path, place, self._source, now):
                done = len(taken) < count and (piece.finished or _is_abandoned(file, now))
                if not done:
                    break
                taken.append(piece.read)
                place = piece.after if piece.finished else place  # what is added to its end makes it another
            at = {"offset": place.offset, "number": place.number, "head": _head(path, place.offset)}
            return taken, file.model_copy(update={**at, "done": done})
        except (InputInvalid, PermissionError) as exc:
            return [*taken, Unreadable(path.name, str(exc), "")], file.model_copy(update={"done": True})
        except FileNotFoundError:  # taken away since the look
            return taken, file
        except OSError as exc:
            raise Unavailable(f"{path}: cannot be read now: {exc.strerror}") from exc


def _open(values: Mapping[str, str], _options: Mapping[str, str]) -> FolderDrop:
    """The folder that the variables name.

    Raises:
        PolicyInvalid: it is a file.
    """
    folder = Path(values[FOLDER.name]).expanduser()
    if folder.is_file():
        raise PolicyInvalid(f"{FOLDER.name} is '{folder}', a file. Set it to the {FOLDER.meaning}")
    return FolderDrop(folder)


SOURCE = SourceSpec(_open, (FOLDER,))


def _seen(cursor: str) -> dict[str, Seen]:
    if not cursor:
        return {}
    try:
        return _Cursor.model_validate_json(cursor).root
    except ValidationError as exc:
        raise BadRequest("the cursor is not one of a watched folder; an empty one begins again") from exc


def _stat(path: Path) -> stat_result | None:
    """What the file system says of a file; None for what is none, or is gone."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat if S_ISREG(stat.st_mode) else None


def _looked_at(stat: stat_result, known: Seen | None) -> Seen:
    if known is not None and (known.size, known.modified) == (stat.st_size, stat.st_mtime_ns):
        return known
    now = {"size": stat.st_size, "modified": stat.st_mtime_ns}
    return known.model_copy(update={**now, "done": False}) if known else Seen.model_validate(now)


def _is_complete(stat: stat_result, known: Seen | None) -> bool:
    unchanged = known is not None and (known.size, known.modified) == (stat.st_size, stat.st_mtime_ns)
    renamed = stat.st_ctime_ns - stat.st_mtime_ns >= RENAMED_S * NS
    return stat.st_size > 0 and (unchanged or renamed)


def _is_abandoned(file: Seen, now: datetime) -> bool:
    return now.timestamp() * NS - file.modified >= UNFINISHED_S * NS


def _head(path: Path, length: int) -> str:
    """Digest of the beginning and the end of a file's first `length` bytes; empty for none."""
    if not length:
        return ""
    with path.open("rb") as file:
        begin = file.read(min(HEAD, length))
        file.seek(max(length - HEAD, 0))
        end = file.read(min(HEAD, length))
    return hashlib.sha256(begin + end).hexdigest()[:32]
