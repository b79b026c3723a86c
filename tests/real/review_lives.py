"""Lives reviews' lives, each in a process that may be doomed: decided about, asked, answered, delivered.

`test_review_lives.py` starts this once, as what it needs takes seconds to import. Each line of JSON that comes
in starts a process, and a line out says how that ended: its exit code, negative for a signal.
"""

import asyncio
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from builders import proposal
from doom import kill, listen
from fakes import fake_resources

from connectors.capabilities import Capabilities, Idempotency, Upsert
from connectors.store.engine import Store
from domain.delivery import DeliveryOutcome, Operation, Written
from domain.item import ClaimedItem
from domain.review import Answer, ReviewKind
from policies.load import load_workflow
from tasks.act import act
from tasks.claim import claim
from tasks.decide import decide_fields, decide_items
from tasks.deliver import deliver_due
from tasks.meet import meet
from tasks.propose import Proposed
from tasks.resources import Resources, opened
from tasks.review import form_of, settle_answer

PEOPLE = ("Ada", "Bo")
ANSWERS = {
    ReviewKind.ROUTE: ("billing", {}),
    ReviewKind.ACTION: ("give_back", {}),
    ReviewKind.FIELDS: ("write", {"order_number": "SO-123456"}),
}
"""What everybody chooses, and fills in."""


@dataclass
class KeptSystem:
    """A system whose records, a line each, outlive the process."""

    file: Path
    reached: Callable[[str], None]
    capabilities = Capabilities(upsert=Upsert.NONE, idempotency=Idempotency.TRACE)

    async def send(self, operation: Operation) -> DeliveryOutcome:
        self.reached("before the send")
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"operation": operation.operation_id, **operation.values}) + "\n")
        self.reached("after the send")
        return Written(kind="created", external_id=operation.operation_id)

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        there = operation.operation_id in (self.file.read_text(encoding="utf-8") if self.file.exists() else "")
        return Written(kind="created", external_id=operation.operation_id, found=True) if there else None

    async def aclose(self) -> None:
        pass


async def live(home: Path, policy: str, kind: ReviewKind, step: str, minutes: float) -> None:
    """All that is left to do about the item in `home`, so many minutes from now; to death when it comes to `step`."""

    def reached(now: str) -> None:
        if now == step:
            kill()

    listen(reached)
    system = KeptSystem(home / "sent.jsonl", reached)
    here = fake_resources(
        Store(f"sqlite:///{home}/interlock.db"),
        None,
        system,
        clock=lambda: datetime.now(UTC) + timedelta(minutes=minutes),
    )
    async with opened(here):
        if items := claim(policy, "a run", 1):
            await decide(policy, kind, items)
        for reviewer in PEOPLE:
            answer(here, kind, reviewer)
        await deliver_due.fn(5.0)


async def decide(policy: str, kind: ReviewKind, items: list[ClaimedItem]) -> None:
    """As the flow of the kind does, with a proposal that nobody can rely on."""
    proposed = {one.item_id: Proposed(proposal=proposal(confidence=0.4), cached=False) for one in items}
    match kind:
        case ReviewKind.ROUTE:
            await decide_items.fn(policy, items, proposed)
        case ReviewKind.ACTION:
            await act.fn(policy, await meet.fn(policy, items), proposed, {})
        case _:
            await decide_fields.fn(policy, items)


def answer(here: Resources, kind: ReviewKind, reviewer: str) -> None:
    """Somebody's answer to the review that waits, if one does and they have not given it."""
    with here.store.reading() as tx:
        waiting = tx.reviews.waiting()
        if not waiting or reviewer in {one.reviewer for one in tx.reviews.given(waiting[0].review_id)}:
            return
        form = form_of(here, tx, waiting[0])
    assert form is not None
    choice, inputs = ANSWERS[kind]
    given = Answer(choice=choice, inputs=inputs, reviewer=reviewer, binding=form.binding, aware_late=True)
    settled = settle_answer(here, waiting[0].review_id, given)
    assert settled.refusal is None, settled.notice


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        order |= {"home": Path(order["home"]), "kind": ReviewKind(order["kind"])}
        load_workflow(order["policy"])  # what reading one takes to import, the children find there
        child = os.fork()
        if child == 0:
            code = 1
            try:
                asyncio.run(live(**order))
                code = 0
            except Exception:  # noqa: BLE001  the process ends here, whatever it was
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
