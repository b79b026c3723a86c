"""From a notice to the messages that it is: one outbox operation a recipient."""

from collections.abc import Sequence
from typing import assert_never

from domain.delivery import Operation, Patience, operation_id
from domain.escalation import Matter, Why, headline, say
from domain.people import Channel, Recipient

PATIENCE = Patience(attempts=8, first_delay_s=2, longest_delay_s=60)
"""About four minutes of tries: who waits for help had better hear that the next step is due."""

LONGEST_SUBJECT = 150
"""Characters of a mail's subject."""


def messages(
    policy: str, by: Channel, recipients: Sequence[Recipient], turn: int, matters: Sequence[Matter], why: Why
) -> list[Operation]:
    """The writes that tell these people; none by Prefect's event alone.

    They belong to the first escalation that they tell of, as a write belongs to its item, and
    each is a record of its own: no message waits for another.
    """
    if by is Channel.PREFECT:
        return []
    leader, text = matters[0].escalation_id, say(policy, matters, why)
    return [
        Operation(
            operation_id=operation_id(leader, f"{turn} {one.name}"),
            item_id=leader,
            policy=policy,
            destination=f"notice to {one.name}",
            system=_system(by),
            record_key=f"{leader}/{turn}/{one.name}",
            values=_values(by, one, headline(policy, matters), text),
            options={"channel": one.address} if by is Channel.SLACK else {},
        )
        for one in recipients
    ]


def _system(by: Channel) -> str:
    return "slack" if by is Channel.SLACK else "smtp"


def _values(by: Channel, one: Recipient, subject: str, text: str) -> dict[str, str]:
    match by:
        case Channel.SLACK:
            return {"text": text}
        case Channel.MAIL:
            return {"to": one.address, "subject": subject[:LONGEST_SUBJECT], "body": text}
        case Channel.PREFECT:
            return {}
        case _:
            assert_never(by)
