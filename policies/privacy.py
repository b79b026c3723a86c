"""A policy's sections on personal data: what a model is not shown, and for how long things are kept."""

from pydantic import Field

from domain.masking import Maskable
from domain.values import Frozen


class Retention(Frozen):
    """How long what is done is kept.

    Attributes:
        days: since it came in, or since a record was gone from its system; None for as long as the ledger.
    """

    days: float | None = Field(default=None, gt=0, le=36_500)


class Privacy(Frozen):
    """What a model is not shown.

    Attributes:
        mask: what the message, and the examples beside it, show as placeholders. A calibration holds for one such
            list only: the prompt is another.
    """

    mask: tuple[Maskable, ...] = ()
