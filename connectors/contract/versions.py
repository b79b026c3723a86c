"""What a destination must do whose target refuses stale writes."""

from connectors.contract.outbox import ends_with_one_effect
from connectors.contract.rehearsal import Write, rehearse, send_under
from connectors.contract.subject import NetworkSubject, hold
from connectors.sandbox.proxy import Meanwhile
from domain.delivery import Conflict, Operation, Written

THEIRS = "somebody else's text"


class VersionedContract:
    """Promises of those whose capabilities claim compare-and-set."""

    async def test_another_users_change_in_between_is_a_conflict(self, subject: NetworkSubject) -> None:
        """Somebody edits the record before each request of an update: none of that is lost unseen.

        An edit before the connector reads is read. One between its read and its write must
        make the write a conflict, which leaves the edit as it is; the next try succeeds.
        """
        hold(subject.edit is not None, "a stale write is refused: give `edit`, to change a record behind our back")
        first = subject.fresh()

        async def update() -> Operation:
            await subject.destination.send(first)
            return _later(subject, first)

        rehearsal = await rehearse(subject, Write("update", update))
        conflicts = [await self._edited_before(subject, number) for number in range(rehearsal.write + 1)]
        hold(any(conflicts), "no edit between the reading and the writing made a conflict")

    async def _edited_before(self, subject: NetworkSubject, number: int) -> bool:
        """Whether an edit just before request `number` of an update makes it a conflict."""
        case = f"another user's edit before request {number + 1}"
        first = subject.fresh()
        await subject.destination.send(first)
        second = _later(subject, first)

        async def edit() -> None:
            if subject.edit is not None:
                await subject.edit(first, THEIRS)

        outcome = await send_under(subject, second, Meanwhile(edit), number, case)
        hold(isinstance(outcome, Conflict | Written), f"{case}: must be Conflict or Written, is {outcome!r}")
        if isinstance(outcome, Conflict):
            kept = [record.values[subject.text] for record in await subject.stored(first)]
            hold(kept == [THEIRS], f"{case}: a conflict must leave the edit as it is, and the text is {kept}")
        await ends_with_one_effect(subject, second, case, outcome)
        return isinstance(outcome, Conflict)


def _later(subject: NetworkSubject, first: Operation) -> Operation:
    return subject.after(first, **{subject.text: "our later text"})
