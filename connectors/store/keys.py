"""Keys of links that were used: each decides, or begins a session, once."""

from datetime import datetime

from sqlmodel import Session

from connectors.store.tables import UsedKeyRow


class UsedKeys:
    """Remembers which keys were used."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def used(self, nonce: str) -> bool:
        """Whether a key was used."""
        return self._session.get(UsedKeyRow, nonce) is not None

    def use(self, nonce: str, reviewer: str, now: datetime) -> bool:
        """Use a key up; False if it was used before."""
        if self.used(nonce):
            return False
        self._session.add(UsedKeyRow(nonce=nonce, reviewer=reviewer, used_at=now))
        return True
