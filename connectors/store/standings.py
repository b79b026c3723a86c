"""How far each policy may go for now, and how far its decisions were tested for drift."""

from datetime import datetime

from sqlmodel import Session

from connectors.store.ledger import Ledger
from connectors.store.watch_tables import DriftRow, StandingRow
from domain.audit import Standing, StepBack
from domain.decision import Mode
from domain.ledger import Event


class Standings:
    """Caps on modes, set by the audit and lifted by people; counters of tested windows."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    def of(self, policy: str) -> Standing:
        """A policy's standing; one without a cap if it never stepped back."""
        row = self._session.get(StandingRow, policy)
        if row is None:
            return Standing()
        return Standing(cap=Mode(row.cap) if row.cap else None, since=row.since, why=row.why, classifier=row.classifier)

    def step_back(self, policy: str, step: StepBack, target: float, now: datetime) -> None:
        """Cap the policy's mode; the next test starts anew with the answers after `now`."""
        tally = step.tally
        why = f"{tally.wrong} of {tally.n} audited decisions were wrong, with {target:.1%} promised"
        self._put(StandingRow(policy=policy, cap=step.after.value, since=now, why=why, classifier=step.classifier))
        facts = {"policy": policy, "from": step.before.value, "to": step.after.value, "classifier": step.classifier}
        self._ledger.append(None, Event.STEPPED_BACK, now, **facts, n=tally.n, wrong=tally.wrong, target=target)

    def release(self, policy: str, to: Mode, by: str, note: str, now: datetime) -> bool:
        """Lift the cap, so that the policy's own mode `to` is in force again; False if there is none."""
        cap = self.of(policy).cap
        if cap is None:
            return False
        self._put(StandingRow(policy=policy, cap=None, since=now, why=f"released by {by}", classifier=None))
        facts = {"policy": policy, "from": cap.value, "to": to.value, "by": by, "note": note}
        self._ledger.append(None, Event.RELEASED, now, **facts)
        return True

    def tested_to(self, policy: str, classifier: str) -> int:
        """Number of the ledger's entry that ended the last window tested for drift; 0 before the first."""
        row = self._session.get(DriftRow, (policy, classifier))
        return row.tested_to if row else 0

    def count_window(self, policy: str, classifier: str, after: int, upto: int) -> int | None:
        """Count the window of the entries in (`after`, `upto`] as tested; gives its number, from 1.

        None if another run has tested it in the meantime: each window is tested once.
        """
        row = self._session.get(DriftRow, (policy, classifier))
        if row is None:
            row = DriftRow(policy=policy, classifier=classifier)
        if row.tested_to != after:
            return None
        row.windows, row.tested_to = row.windows + 1, upto
        self._session.add(row)
        return row.windows

    def _put(self, row: StandingRow) -> None:
        self._session.merge(row)
