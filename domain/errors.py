"""What can go wrong, sorted by what the caller should do.

    InterlockError
    ├── Retryable                try the same again, later
    │   ├── Throttled            after `retry_after_s`
    │   ├── Unavailable          down, or answered 5xx
    │   └── TimedOut             no answer in time, and asking again is harmless
    ├── Permanent                the same again would fail the same
    │   ├── BadRequest
    │   └── Unauthorised
    ├── OutcomeUnknown           a write may or may not have happened: look it up first
    ├── ModelOutputInvalid       the model answered, but not with a usable label
    │   ├── AnswerCutOff
    │   ├── AnswerNonsense
    │   └── AnswerUnknownLabel
    ├── PolicyInvalid            a policy file is wrong: says where, and the mend
    ├── InputInvalid             an inbound record is unusable: says why
    ├── NotEndedError            what is not done cannot be erased: says what must end first
    └── BooksDoNotBalanceError   an item was lost: a fault of ours

Connectors translate what their libraries raise into these, always `from exc`.
"""


class InterlockError(Exception):
    """Root of every error that this project raises on purpose."""


class Retryable(InterlockError):
    """The same call may succeed later.

    Attributes:
        retry_after_s: seconds that the other side asked to be left alone, or None.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Throttled(Retryable):
    """The other side limits our rate (429, or 403 with a limit code)."""


class Unavailable(Retryable):
    """The other side is down or failed inside (connection refused, 5xx)."""


class TimedOut(Retryable):
    """No answer in time to a call that only reads."""


class Permanent(InterlockError):
    """The same call would fail the same way again."""


class BadRequest(Permanent):
    """The other side refuses what we sent (4xx)."""


class Unauthorised(Permanent):
    """The other side refuses who we are (401, 403)."""


class OutcomeUnknown(InterlockError):
    """A write was sent and its answer never came or could not be read."""


class ModelOutputInvalid(InterlockError):
    """The model answered, and the answer cannot be used."""


class AnswerCutOff(ModelOutputInvalid):
    """The answer ended at the token limit."""


class AnswerNonsense(ModelOutputInvalid):
    """The answer is not the JSON that was asked for."""


class AnswerUnknownLabel(ModelOutputInvalid):
    """The answer names a label that the policy does not have."""


class PolicyInvalid(InterlockError):
    """A policy file, or a file it names, is wrong; the message says where and how to mend it."""


class InputInvalid(InterlockError):
    """An inbound record cannot become an item; the message says why."""


class NotEndedError(InterlockError):
    """Something that is to be erased is not done; the message says what, and what must happen first."""


class BooksDoNotBalanceError(InterlockError):
    """An accepted item is neither done nor waiting nor escalated nor dead-lettered."""
