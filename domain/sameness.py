"""Whether a new record is one that a system has already: the same person, another, or a question for a person.

Fellegi and Sunter, "A theory for record linkage", JASA 64 (1969), have three verdicts, so that
doubt goes to a person: a wrong merge cannot be taken back, and a double can.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from pydantic import Field
from rapidfuzz.distance import JaroWinkler

from domain.likeness import SAME_NAME, Level, compare_names, without_legal_form, words
from domain.values import Frozen


class Verdict(StrEnum):
    """What two records are to each other."""

    SAME = "same"
    DIFFERENT = "different"
    ASK_PERSON = "ask_person"


class Identity(Frozen):
    """What tells a person apart: each in its type's one spelling, empty where it is not known.

    Attributes:
        email: normalised; the key that people share least.
        phone: E.164. Colleagues share a switchboard, families a line.
        name: first and last name.
        company: as its people write it.
    """

    email: str = ""
    phone: str = ""
    name: str = ""
    company: str = ""


class Known(Frozen):
    """A record of a system that may be the same as a new one."""

    external_id: str
    identity: Identity


class Sameness(Frozen):
    """The verdict on a new record.

    Attributes:
        same_as: the record that it is the same as; the ones to choose among where a person is asked.
    """

    verdict: Verdict
    same_as: tuple[str, ...] = Field(default=())


class IdentityNames(Frozen):
    """What a record's values are called that tell a person apart; letter case does not count.

    Attributes:
        name: one or more values, whose words together are the name.
    """

    email: str = "email"
    phone: str = "phone"
    name: tuple[str, ...] = ("name", "firstname", "lastname")
    company: str = "company"

    @property
    def every(self) -> tuple[str, ...]:
        """Every one of them."""
        return (self.email, self.phone, *self.name, self.company)


NAMES = IdentityNames()


def identity_of(values: Mapping[str, str], names: IdentityNames = NAMES) -> Identity:
    """The identity among a record's values; other values do not count."""
    texts = {name.casefold(): text for name, text in values.items()}

    def text(name: str) -> str:
        return texts.get(name.casefold(), "").strip()

    full_name = " ".join(filter(None, map(text, names.name)))
    return Identity(email=text(names.email), phone=text(names.phone), name=full_name, company=text(names.company))


def blocking_keys(identity: Identity) -> frozenset[str]:
    """What two records must share one of to be compared at all.

    E-mail address, telephone number, and the sorted beginnings of the name's words, which a slip
    behind them, an exchanged order and a changed domain leave alone.
    """
    beginnings = sorted(word[:3] for word in words(identity.name))
    keys = {
        f"email {identity.email.casefold()}" if identity.email else "",
        f"phone {identity.phone}" if identity.phone else "",
        f"name {' '.join(beginnings)}" if beginnings else "",
    }
    return frozenset(keys - {""})


def compare(one: Identity, other: Identity) -> Verdict:
    """What two records are to each other; the order does not matter.

    The same address is the same person unless their names differ: shared mailboxes are common
    (info@). Another address with the same name takes the same telephone too, or it is asked:
    people change addresses, and two of a name exist.
    """
    names = _names(one.name, other.name)
    if one.email and one.email.casefold() == other.email.casefold():
        return Verdict.ASK_PERSON if names is Verdict.DIFFERENT else Verdict.SAME
    if names is not Verdict.SAME:
        shared = bool(one.phone) and one.phone == other.phone
        unnamed = not one.name or not other.name
        return Verdict.ASK_PERSON if shared and (unnamed or names is Verdict.ASK_PERSON) else Verdict.DIFFERENT
    if one.phone and one.phone == other.phone:
        spelled_alike = sorted(words(one.name)) == sorted(words(other.name))  # Anna and Hanna may share a line
        silent = not one.email or not other.email
        return Verdict.SAME if spelled_alike and silent else Verdict.ASK_PERSON
    return Verdict.ASK_PERSON if _companies_agree(one.company, other.company) else Verdict.DIFFERENT


def sameness(new: Identity, known: Sequence[Known]) -> Sameness:
    """The verdict on a new record against all that a system found; several that are the same are asked about."""
    keys = blocking_keys(new)
    near = [record for record in known if keys & blocking_keys(record.identity)]
    verdicts = {record.external_id: compare(new, record.identity) for record in near}
    same = tuple(sorted(name for name, verdict in verdicts.items() if verdict is Verdict.SAME))
    if len(same) == 1:
        return Sameness(verdict=Verdict.SAME, same_as=same)
    asked = tuple(sorted(name for name, verdict in verdicts.items() if verdict is not Verdict.DIFFERENT))
    return Sameness(verdict=Verdict.ASK_PERSON if asked else Verdict.DIFFERENT, same_as=asked)


def _names(one: str, other: str) -> Verdict:
    """Whether two names are one person's; `ASK_PERSON` where one is missing or only like the other."""
    match compare_names(words(one), words(other)):
        case Level.SAME | Level.CLOSE:
            return Verdict.SAME
        case Level.DIFFERENT:
            return Verdict.DIFFERENT
        case _:
            return Verdict.ASK_PERSON


def _companies_agree(one: str, other: str) -> bool:
    """Whether neither company speaks against the other: the same but for its legal form, or not known."""
    a, b = without_legal_form(one), without_legal_form(other)
    return not a or not b or a == b or JaroWinkler.similarity(a, b) >= SAME_NAME
