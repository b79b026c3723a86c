"""From a notice to the messages that it is: one outbox operation a recipient."""

from collections.abc import Sequence

from domain.delivery import Operation, Patience, operation_id
from domain.escalation import Matter, Why, headline, say
from domain.people import Channel, Recipient

PATIENCE = Patience(attempts=8, first_delay_s=2, longest_delay_s=60)
"""About four minutes of tries: who waits for help had better hear that the next step is due."""

SYSTEMS = {Channel.SLACK: "slack", Channel.MAIL: "smtp"}
"""The systems by which people are told; none by Prefect's event."""

LONGEST_SUBJECT = 150
"""Characters of a mail's subject."""


def messages(
    policy: str, by: Channel, recipients: Sequence[Recipient], turn: int, matters: Sequence[Matter], why: Why
) -> list[Operation]:
    """The writes that tell these people; none by Prefect's event alone.

    They belong to the first escalation that they tell of, as a write belongs to its item, and
    each is a record of its own: no message waits for another.
    """
    if by not in SYSTEMS:
        return []
    leader, text = matters[0].escalation_id, say(policy, matters, why)
    return [
        Operation(
            operation_id=operation_id(leader, f"{turn} {one.name}"),
            item_id=leader,
            policy=policy,
            destination=f"notice to {one.name}",
            system=SYSTEMS[by],
            record_key=f"{leader}/{turn}/{one.name}",
            values=_values(by, one, headline(policy, matters), text),
            options={"channel": one.address} if by is Channel.SLACK else {},
        )
        for one in recipients
    ]


def _values(by: Channel, one: Recipient, subject: str, text: str) -> dict[str, str]:
    if by is Channel.SLACK:
        return {"text": text}
    return {"to": one.address, "subject": subject[:LONGEST_SUBJECT], "body": text}
