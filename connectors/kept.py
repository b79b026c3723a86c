"""The port of a system whose records are kept in step with other systems': read as they stand, and told of changes.

What is written to such a system goes through its `Destination`, with what the record held before as the
operation's `expected`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, assert_never

from connectors.ports import Arrival, Fetched, Unreadable

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """A record of a system as it stands.

    Attributes:
        external_id: the system's own id; of a record that was merged into another one, the survivor's.
        values: by the system's own names, all text; empty is blank. A field that the system does not have is left out.
        changed_at: when it was last changed, by the system's clock; None where it does not say.
        changed_by: who changed it last, where the system says; else empty.
        operation_id: of the last write of ours that it carries; else empty.
    """

    external_id: str
    values: dict[str, str]
    changed_at: datetime | None = None
    changed_by: str = ""
    operation_id: str = ""


@dataclass(frozen=True)
class Changed:
    """Ids of records that changed since a cursor; `cursor` and `more` as in `Fetched`."""

    external_ids: tuple[str, ...]
    cursor: str
    more: bool = False


@dataclass(frozen=True)
class Page:
    """Part of a snapshot: records in the order of their ids, and where to go on; `after` is empty at the end."""

    records: tuple[Record, ...]
    after: str


class Kept(Protocol):
    """One kind of record of a system, kept in step with other systems'.

    Its methods change nothing there, and raise Retryable or Permanent as those of `Changes` do.
    """

    async def changed(self, cursor: str, count: int) -> Changed:
        """Records that changed after `cursor` (empty: begins), each once, by up to `count` changes, the oldest first.

        A record that was deleted or merged away need not be told of: a snapshot shows that.
        """
        ...

    async def read(self, external_ids: Sequence[str]) -> dict[str, Record | None]:
        """The records, by the ids that were asked for; None is one that is not there any more.

        What was written a moment ago is seen: no search that lags is asked.
        """
        ...

    async def page(self, after: str, count: int) -> Page:
        """Up to `count` records of all that there are, beginning (`after` is empty) or going on.

        A record that is there from the first page to the last is on one of them, once; one that comes or goes
        meanwhile may be.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


def changed_of(fetched: Fetched) -> Changed:
    """What a source's changes, whose ids are `ID@VERSION`, say of records.

    What it cannot read of a record is told to the log: snapshots show that record all the same.
    """
    ids = dict[str, None]()
    for arrival in fetched.arrivals:
        match arrival:
            case Arrival(external_id=external_id):
                ids[external_id.rpartition("@")[0]] = None
            case Unreadable(where=where, why=why):
                LOG.warning("%s: %s", where, why)
            case other:
                assert_never(other)
    return Changed(tuple(ids), fetched.cursor, fetched.more)
