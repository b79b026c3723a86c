"""Items as they arrive, held against what came before: which are new, and which one a repeated one is."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.item import Admission, InboundItem


@dataclass(frozen=True)
class Arrived:
    """An item with its digests, which are costly enough to make once."""

    item_id: str
    content_hash: str
    item: InboundItem


@dataclass(frozen=True)
class Seen:
    """What came before an item: in the database, and in the same call.

    Attributes:
        deliveries: by item id, the item that it is (of) and the hash of its content.
        erased: deliveries of which nothing is kept any more, and nothing is to be.
        contents: by hash, when which items came with it.
    """

    deliveries: dict[str, tuple[str, str]]
    erased: set[str] = field(default_factory=set)
    contents: defaultdict[str, list[tuple[datetime, str]]] = field(default_factory=lambda: defaultdict(list))

    def admit(self, one: Arrived, window: timedelta) -> tuple[str, Admission]:
        """Whether an item is new, and which one it is if not; the next ones are compared with it too."""
        if one.item_id in self.deliveries:
            return self.deliveries[one.item_id][0], Admission.REPEATED
        received_at = one.item.received_at
        came = [
            (when, here)
            for when, here in self.contents[one.content_hash]
            if window and received_at - window <= when <= received_at + window
        ]
        original = min(came)[1] if came else one.item_id
        self.deliveries[one.item_id] = original, one.content_hash
        if came:
            return original, Admission.SAME_CONTENT
        self.contents[one.content_hash].append((received_at, one.item_id))
        return original, Admission.ACCEPTED
