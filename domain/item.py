"""What comes in."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from domain.values import Frozen, digest


class InboundItem(Frozen):
    """One message as it came in, before anything was decided about it.

    Attributes:
        source: where it came from, such as `web_form` or `mail`.
        external_id: the source's own id; with `source` it names a delivery.
        received_at: when the source received it.
        text: what is classified, rendered from `fields` by the policy.
        fields: the source's fields that the policy knows, by name; empty ones are left out.
        other: those that it does not know; kept, never used. Sources put times and ids of
            their own there, so they do not count as content.
        whole: whether `text` is all that was said. Where it was cut, or everything is in attachments,
            it is not: then a person must look.
    """

    source: str = Field(min_length=1, max_length=100)
    external_id: str = Field(min_length=1, max_length=300)
    received_at: AwareDatetime
    text: str
    fields: dict[str, str]
    other: dict[str, str] = Field(default_factory=dict)
    whole: bool = True

    @property
    def content_hash(self) -> str:
        """Digest of what was said and by whom: white space and letter case do not count.

        What is not in the text cannot be compared: of an item that is not whole only the same delivery is the same.
        """
        fields = {name: " ".join(value.split()).casefold() for name, value in self.fields.items()}
        rest = [] if self.whole else [self.external_id]
        return digest(" ".join(self.text.split()).casefold(), fields, *rest)


class Admission(StrEnum):
    """What the inbox said to an item."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    """The same source and external id came before."""
    SAME_CONTENT = "same_content"
    """Another delivery with the same content came within the policy's window."""


class ClaimedItem(Frozen):
    """An accepted item that a run holds a lease on."""

    item_id: str
    policy: str
    item: InboundItem
