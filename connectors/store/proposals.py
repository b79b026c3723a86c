"""Proposals by value."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import insert
from sqlmodel import Session, col, select

from connectors.store.tables import ProposalRow
from domain.proposal import Proposal


class Proposals:
    """Remembers what a model answered, by the digest of all that the answer depends on."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def recall(self, keys: Iterable[str]) -> dict[str, Proposal]:
        """The proposals that are known of these keys."""
        rows = self._session.exec(select(ProposalRow).where(col(ProposalRow.key).in_(set(keys))))
        return {row.key: Proposal.model_validate(row.proposal) for row in rows}

    def remember(self, proposals: Iterable[Proposal], at: datetime) -> None:
        """Keep answered proposals; the first one of a key stays."""
        first = {proposal.key: proposal for proposal in reversed(list(proposals))}
        kept = set(self._session.exec(select(ProposalRow.key).where(col(ProposalRow.key).in_(first))))
        rows = [
            {"key": key, "proposal": proposal.model_dump(mode="json"), "made_at": at}
            for key, proposal in first.items()
            if key not in kept
        ]
        if rows:
            self._session.execute(insert(ProposalRow), rows)
