"""What a look at a system tells before anything is written: whether it answers, takes our key, and has what we write.

Nothing is changed there. A connector that is `Diagnosable` tells what its vendor tells; of any other one can only
see whether it is set up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Protocol, TypeVar, assert_never, runtime_checkable

from pydantic import BaseModel

from connectors.http_outcomes import Headed, HttpApi, Refusal
from domain.delivery import Hindrance, RetryAfter, Unknown

Shape = TypeVar("Shape", bound=BaseModel)


class Aspect(StrEnum):
    """What is looked at."""

    ANSWERS = "answers"
    KEY = "key"
    RIGHTS = "rights"
    QUOTA = "quota"
    FIELDS = "fields"
    SETTINGS = "settings"


class Grade(StrEnum):
    """How it stands."""

    WELL = "well"
    UNTOLD = "untold"
    """The system does not tell."""
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """One thing that was found; never with a secret.

    Attributes:
        says: what is so, for people.
        mend: what to do about it; empty where there is nothing to do.
    """

    aspect: Aspect
    grade: Grade
    says: str
    mend: str = ""


@dataclass(frozen=True)
class Use:
    """What a policy does with a place in a system.

    Attributes:
        options: all that operations tell the connector, defaults filled in.
        fields: names of the values that are written.
        fixed: those of the values that are always the same, such as a queue.
        writes: whether anything is written there; else it is only read.
    """

    options: Mapping[str, str]
    fields: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = field(default_factory=dict)
    writes: bool = True


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes:
        ahead_s: by how many seconds the system's clock is ahead of ours; None where it does not tell the time.
    """

    findings: tuple[Finding, ...]
    ahead_s: float | None = None

    @property
    def answered(self) -> bool:
        """Whether the system answered, whatever it said."""
        return all(one.grade is not Grade.WRONG for one in self.findings if one.aspect is Aspect.ANSWERS)


@runtime_checkable
class Diagnosable(Protocol):
    """A system that tells how it stands, or at least whether it can be reached."""

    async def diagnose(self, uses: Sequence[Use]) -> Diagnosis:
        """Look, write nothing, and raise for faults of ours alone; it may be cancelled at any point.

        Args:
            uses: what is to be found fit for; empty where only the system itself is looked at.
        """
        ...


def well(aspect: Aspect, says: str) -> Finding:
    """It is as it should be."""
    return Finding(aspect, Grade.WELL, says)


def wrong(aspect: Aspect, says: str, mend: str) -> Finding:
    """It is not, and writes will fail."""
    return Finding(aspect, Grade.WRONG, says, mend)


def warning(aspect: Aspect, says: str, mend: str) -> Finding:
    """Writes go through for now, or may be held up."""
    return Finding(aspect, Grade.WARNING, says, mend)


def untold(aspect: Aspect, says: str) -> Finding:
    """The system does not tell."""
    return Finding(aspect, Grade.UNTOLD, says)


async def look(
    api: HttpApi,
    shape: type[Shape],
    path: str,
    params: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    body: BaseModel | None = None,
) -> Shape | Finding:
    """What a reading gives, or the finding that it gives nothing; of any method, but a reading all the same."""
    match await api.exchange(shape, method, path, params=params, body=body):
        case Refusal(detail=detail):
            mend = "Check the address, and the option or setting that this asks for"
            return wrong(Aspect.ANSWERS, f"{detail}, asking for {path}", mend)
        case RetryAfter() | Unknown() as failure:
            return failed(failure)
        case answered:
            return answered


def failed(failure: RetryAfter | Unknown) -> Finding:
    """What it means that a reading did not succeed."""
    match failure:
        case RetryAfter(hindrance=Hindrance.KEY, detail=detail):
            return wrong(Aspect.KEY, detail, "Put a key in that is valid now")
        case RetryAfter(hindrance=Hindrance.RIGHTS, detail=detail):
            return wrong(Aspect.RIGHTS, detail, "Allow the key's owner to do this")
        case RetryAfter(limit=None, seconds=None, detail=detail) | Unknown(detail=detail):
            mend = "See whether it is up and can be reached from this machine; writes wait, and are tried again"
            return wrong(Aspect.ANSWERS, detail, mend)
        case RetryAfter(detail=detail):
            mend = "Wait, or ask the vendor for a higher limit; writes are paused, and go on by themselves"
            return warning(Aspect.QUOTA, detail, mend)
        case other:
            assert_never(other)


def refused(finding: Finding, name: str) -> Diagnosis:
    """The diagnosis of a system whose first answer says no; whoever says anything can be reached."""
    if finding.aspect is Aspect.ANSWERS:
        return Diagnosis((finding,))
    return Diagnosis((well(Aspect.ANSWERS, f"{name} answers"), finding))


def ahead_s(answer: Headed) -> float | None:
    """By how many seconds the clock of who answers is ahead, to within a second; by the Date header (RFC 9110)."""
    try:
        at = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError):
        return None
    return (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds() + 0.5


def quota(used: float, most: float, of: str, *, resets: str = "") -> Finding:
    """How much of a quota is left; a warning when less than a tenth is."""
    says = f"{most - used:,.0f} of {most:,.0f} {of} are left{resets}"
    if most > 0 and used >= most:
        return wrong(Aspect.QUOTA, says, "Writes wait until there is more; ask the vendor for a higher limit")
    if used > SCARCE * most:
        return warning(Aspect.QUOTA, says, "Writes will wait when it is used up; look for who uses so many")
    return well(Aspect.QUOTA, says)


def lacking(place: str, wanted: Iterable[str], there: Iterable[str], mend: str) -> Finding:
    """Whether a place has all of the fields that are written."""
    if missing := sorted({*wanted} - {*there}):
        return wrong(Aspect.FIELDS, f"{place} has no {', '.join(missing)}", mend)
    return well(Aspect.FIELDS, f"{place} has every field that is written")


SCARCE = 0.9
"""Share of a quota from which on it is said to be scarce."""
