"""The part of a policy that says what is read for new items: which sources, and what of each."""

from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from domain.values import Frozen
from policies.webhooks import PayloadPath, Webhook

OptionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


def _as_text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


OptionText = Annotated[str, BeforeValidator(_as_text)]
"""A text; a date may stand without quotes, of which YAML would make something else."""


class IntakeSource(Frozen):
    """A source that `flows.collect` reads.

    Attributes:
        source: name of the connector, such as `imap`, `folder` or `hubspot`.
        options: what the connector is told, such as the object or the table that is read. The same
            source may be named again with others; each reading has its own cursor.
        fields: where in a record the input's fields are; a field that is not named here is taken
            by its own name.
    """

    source: str = Field(min_length=1)
    options: dict[OptionName, OptionText] = Field(default_factory=dict)
    fields: dict[OptionName, PayloadPath] = Field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(self.options.values())
        return f"{self.source} ({told})" if told else self.source


def _by_name(value: Any) -> Any:
    return {"source": value} if isinstance(value, str) else value


NamedSource = Annotated[IntakeSource, BeforeValidator(_by_name, json_schema_input_type=str | IntakeSource)]
"""A source by its name alone, or with what it is told."""


class Intake(Frozen):
    """How items come in by themselves.

    Attributes:
        sources: what `flows.collect` reads.
    """

    webhook: Webhook = Webhook()
    sources: tuple[NamedSource, ...] = ()
