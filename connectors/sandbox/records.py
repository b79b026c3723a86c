"""The records of one sandbox server: in memory, and in a SQLite file if it is to outlive the process."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel


class Record(BaseModel):
    """What every record has."""

    id: str


R = TypeVar("R", bound=Record)


class Records(Generic[R]):
    """Records by id and by key.

    Every `save` is in the file before it returns (killing the process loses nothing; a power
    cut may).

    Args:
        shape: the records' model.
        keys: the keys under which a record is to be found, such as its operation ids.
        file: the SQLite file, or None to keep records in memory only.
    """

    def __init__(self, shape: type[R], keys: Callable[[R], Iterable[str]], file: Path | None) -> None:
        self._keys = keys
        self._by_id: dict[str, R] = {}
        self._by_key: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._file = sqlite3.connect(file or ":memory:", isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = OFF")
        self._file.execute("CREATE TABLE IF NOT EXISTS record (id TEXT PRIMARY KEY, json TEXT NOT NULL)")
        for (stored,) in self._file.execute("SELECT json FROM record ORDER BY CAST(id AS INTEGER)"):
            self._index(shape.model_validate_json(stored))

    def new_id(self) -> str:
        """One more than the highest id so far."""
        return str(int(next(reversed(self._by_id), "1000")) + 1)

    def save(self, record: R) -> R:
        """Store a new record or a new state of one."""
        self._file.execute("INSERT OR REPLACE INTO record VALUES (?, ?)", (record.id, record.model_dump_json()))
        self._index(record)
        return record

    def get(self, record_id: str) -> R | None:
        """The record with this id."""
        return self._by_id.get(record_id)

    def under(self, key: str) -> list[R]:
        """The records that have, or ever had, this key."""
        return [self._by_id[record_id] for record_id in self._by_key.get(key, ())]

    def all(self) -> list[R]:
        """Every record, the oldest first."""
        return list(self._by_id.values())

    def clear(self) -> None:
        """Forget every record."""
        self._file.execute("DELETE FROM record")
        self._by_id.clear()
        self._by_key.clear()

    def beyond_the_first(self) -> int:
        """How many records share a key with an earlier one."""
        return len({record_id for sharing in self._by_key.values() for record_id in list(sharing)[1:]})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _index(self, record: R) -> None:
        self._by_id[record.id] = record
        for key in self._keys(record):
            self._by_key[key][record.id] = None
