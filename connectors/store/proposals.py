"""Proposals by value."""

from collections.abc import Iterable
from datetime import datetime

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

    def remember(self, proposal: Proposal, at: datetime) -> None:
        """Keep an answered proposal; the first one of a key stays."""
        if self._session.get(ProposalRow, proposal.key) is None:
            row = ProposalRow(key=proposal.key, proposal=proposal.model_dump(mode="json"), made_at=at)
            self._session.add(row)
