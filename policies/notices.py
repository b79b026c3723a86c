"""From a notice, or what an assignee is told, to messages: one outbox operation a recipient."""

from collections.abc import Sequence

from domain.delivery import Invitation, Operation, Patience, operation_id
from domain.escalation import Matter, Why, headline, say
from domain.people import Channel, Recipient

PATIENCE = Patience(attempts=8, first_delay_s=2, longest_delay_s=60)
"""About four minutes of tries: who waits for help had better hear that the next step is due."""

SYSTEMS = {Channel.SLACK: "slack", Channel.MAIL: "smtp"}
"""The systems by which people are told; none by Prefect's event."""

LONGEST_SUBJECT = 150
"""Characters of a mail's subject."""


def messages(
    policy: str,
    by: Channel,
    recipients: Sequence[Recipient],
    turn: int,
    matters: Sequence[Matter],
    why: Why,
    *,
    invites: Invitation | None = None,
    address: str = "",
) -> list[Operation]:
    """The writes that tell these people; none by Prefect's event alone.

    They belong to the first escalation that they tell of, as a write belongs to its item, and
    each is a record of its own: no message waits for another.

    Args:
        invites: what they are invited to, whoever they are.
        address: of the page where they can acknowledge.
    """
    if by not in SYSTEMS:
        return []
    leader, text = matters[0].escalation_id, say(policy, matters, why, address)
    subject = headline(policy, matters)
    return [_message(leader, policy, by, one, f"{turn}/{one.name}", (subject, text), invites) for one in recipients]


def assignment(
    notice_id: str, policy: str, by: Channel, to: Recipient, said: tuple[str, str], invites: Invitation
) -> Operation:
    """The write that tells an assignee what was given to them; `said` is a subject and a text.

    Args:
        notice_id: whose it is; no item's, so that no item waits for it.
        by: Slack or mail.
    """
    return _message(notice_id, policy, by, to, to.name, said, invites)


def digest(
    digest_id: str, policy: str, by: Channel, recipients: Sequence[Recipient], said: tuple[str, str]
) -> list[Operation]:
    """The writes that bring people the figures of a day; `said` is a subject and a text. None by Prefect's event.

    Args:
        digest_id: of this policy's digest of that day; no item's, so that no item waits for it.
    """
    if by not in SYSTEMS:
        return []
    return [_message(digest_id, policy, by, one, one.name, said, None) for one in recipients]


def _message(
    owner: str, policy: str, by: Channel, to: Recipient, named: str, said: tuple[str, str], invites: Invitation | None
) -> Operation:
    subject, text = said
    return Operation(
        operation_id=operation_id(owner, named),
        item_id=owner,
        policy=policy,
        destination=f"notice to {to.name}",
        system=SYSTEMS[by],
        record_key=f"{owner}/{named}",
        values=_values(by, to, subject, text),
        options={"channel": to.address} if by is Channel.SLACK else {},
        invites=invites and invites.model_copy(update={"reviewer": "" if to.shared else to.name}),
    )


def _values(by: Channel, one: Recipient, subject: str, text: str) -> dict[str, str]:
    if by is Channel.SLACK:
        return {"text": text}
    return {"to": one.address, "subject": subject[:LONGEST_SUBJECT], "body": text}
