"""What was found in items' texts, by item and by value."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from connectors.store.ledger import Ledger
from connectors.store.tables import ExtractionRow
from domain.extraction import Extraction, Found
from domain.ledger import Event


class Extractions:
    """Keeps an item's extraction, and remembers it by the digest of all that it depends on."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    def recall(self, keys: Iterable[str]) -> dict[str, Extraction]:
        """The extractions that are known of these keys, from whichever item."""
        rows = self._session.exec(select(ExtractionRow).where(col(ExtractionRow.key).in_(set(keys))))
        return {row.key: Extraction.model_validate(row.extraction) for row in rows}

    def of(self, item_ids: Sequence[str]) -> dict[str, Extraction]:
        """The extractions of these items; items without one are left out."""
        rows = self._session.exec(select(ExtractionRow).where(col(ExtractionRow.item_id).in_(item_ids)))
        return {row.item_id: Extraction.model_validate(row.extraction) for row in rows}

    def keep(self, item_id: str, extraction: Extraction, threshold: float, cached: bool, now: datetime) -> None:
        """Store an item's extraction and tell the ledger; nothing if it has this very one.

        Args:
            cached: whether it cost no call, because another item's text gave it before.
        """
        row = self._session.get(ExtractionRow, item_id)
        if row is not None and row.key == extraction.key and row.extraction == extraction.model_dump(mode="json"):
            return
        if row is None:
            row = ExtractionRow(item_id=item_id, key="", extraction={}, made_at=now)
        row.key, row.extraction, row.made_at = extraction.key, extraction.model_dump(mode="json"), now
        self._session.add(row)
        calls = 0 if cached else extraction.calls
        self._ledger.append(item_id, Event.EXTRACTED, now, calls=calls, cached=cached, **_facts(extraction, threshold))


def _facts(extraction: Extraction, threshold: float) -> dict[str, Any]:
    """What the ledger keeps of it: who found what and how surely, not the values themselves."""
    return {
        "found": {name: _fact(found, threshold) for name, found in extraction.found.items()},
        "dropped": extraction.dropped,
        "outcome": extraction.outcome.value,
        "detail": extraction.detail,
        "model": extraction.model,
        "tokens": extraction.tokens.model_dump(),
        "latency_s": round(extraction.latency_s, 3),
    }


def _fact(found: Found, threshold: float) -> dict[str, Any]:
    fact = found.model_dump(mode="json", include={"by", "ground", "start", "end"})
    return {**fact, "confidence": round(found.confidence, 4), "sure": found.confidence >= threshold}
