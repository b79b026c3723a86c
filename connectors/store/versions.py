"""What policies said: each version once, for as long as something may have begun under it."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime

from sqlmodel import Session, col, select

from connectors.store.tables import ItemRow, ReviewRow, VersionRow
from domain.review import ReviewKind


class Versions:
    """Policies' texts by their fingerprints."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def keep(self, policy: str, version: str, source: str, now: datetime) -> None:
        """Keep what a policy says now; nothing where that is kept already.

        Args:
            version: the policy's fingerprint, as decisions have it.
            source: what its file says.
        """
        if self._session.get(VersionRow, version) is None:
            self._session.add(VersionRow(version=version, policy=policy, source=source, first_used_at=now))

    def source(self, version: str) -> str | None:
        """What the policy's file said; None where nobody kept it."""
        row = self._session.get(VersionRow, version)
        return row.source if row else None

    def of(self, policy: str) -> list[VersionRow]:
        """Every version of a policy that anything was decided under, the oldest first."""
        query = select(VersionRow).where(VersionRow.policy == policy)
        return list(self._session.exec(query.order_by(col(VersionRow.first_used_at), col(VersionRow.version))))

    def waiting(self, policy: str, kinds: Collection[ReviewKind]) -> dict[str, int]:
        """Under which versions reviews of these kinds wait, and how many."""
        version = ItemRow.decision["policy_fingerprint"].as_string()  # type: ignore[index]  # a column of JSON
        query = (
            select(version)
            .join(ReviewRow, col(ReviewRow.item_id) == ItemRow.item_id)
            .where(ReviewRow.policy == policy, col(ReviewRow.answered_at).is_(None))
            .where(col(ReviewRow.kind).in_(kinds))
        )
        return Counter(self._session.exec(query))
