"""What a system's answer to a reading means to a source or a system that is kept in step."""

from typing import assert_never

from domain.delivery import Hindrance, Invalid, RetryAfter
from domain.errors import BadRequest, InterlockError, Throttled, Unavailable


def unread(failure: Invalid | RetryAfter) -> InterlockError:
    """The error to raise: Throttled where it names a limit or a wait, BadRequest where asking again is no use."""
    match failure:
        case Invalid(detail=detail) | RetryAfter(hindrance=Hindrance.KEY | Hindrance.RIGHTS, detail=detail):
            return BadRequest(detail)
        case RetryAfter(limit=None, seconds=None, detail=detail):
            return Unavailable(detail)
        case RetryAfter(seconds=seconds, detail=detail):
            return Throttled(detail, retry_after_s=seconds)
        case other:
            assert_never(other)
