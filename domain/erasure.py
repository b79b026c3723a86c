"""Whom something that is kept is about, and what may be erased of it.

What is erased is what has ended: an item that is done, a case that nothing is due in, a record that is gone from its
system. Whatever else there is hinders, and nothing is erased by halves.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Self

from pydantic import Field, model_validator

from domain.values import Frozen

SHORTEST_ID = 3
"""Characters of an id that is looked for; a shorter one would be found everywhere."""

SHORTEST_PHONE = 7
"""Digits of a phone number that is looked for."""

TELLING_DIGITS = 8
"""How many of a phone number's last digits tell it apart: what stands before them is written in many ways."""


class Person(Frozen):
    """Somebody, by what tells them apart in what is kept.

    Attributes:
        emails: in any letter case.
        phones: found by their last eight digits, however these are spaced.
        ids: names of records or deliveries in other systems, to the letter.
    """

    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_told_apart(self) -> Self:
        if not (self.emails or self.phones or self.ids):
            raise ValueError("say whom: by e-mail address, phone number or id")
        if any("@" not in one for one in self.emails):
            raise ValueError("an e-mail address has an @")
        if any(len(_digits(one)) < SHORTEST_PHONE for one in self.phones):
            raise ValueError(f"a phone number has at least {SHORTEST_PHONE} digits")
        if any(len(one) < SHORTEST_ID for one in self.ids):
            raise ValueError(f"an id that can be looked for has at least {SHORTEST_ID} characters")
        return self

    def mentioned_in(self, value: Any) -> bool:
        """Whether a JSON value names them, in a text or as a key."""
        return any(self._pattern.search(text) for text in texts(value))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        emails = [rf"(?<![\w.+-])(?i:{re.escape(one.strip())})(?![\w-])(?!\.\w)" for one in self.emails]
        phones = [r"[\s()./-]{0,3}".join(_digits(one)[-TELLING_DIGITS:]) + r"(?!\d)" for one in self.phones]
        ids = [rf"(?<!\w){re.escape(one)}(?!\w)" for one in self.ids]
        return re.compile("|".join(emails + phones + ids))


class Subjects(Frozen):
    """What is to be erased, by its ids in the store.

    Attributes:
        cases: policy and key of each.
        records: that are of no entity.
        entries: of the ledger, beside those about the others.
        remarks: table and key of each row that says in a few words why, and names the person.
    """

    items: frozenset[str] = frozenset()
    cases: frozenset[tuple[str, str]] = frozenset()
    entities: frozenset[str] = frozenset()
    records: frozenset[int] = frozenset()
    escalations: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    proposals: frozenset[str] = frozenset()
    entries: frozenset[int] = frozenset()
    remarks: frozenset[tuple[str, str]] = frozenset()

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return any(getattr(self, name) for name in type(self).model_fields)


class Erasure(Frozen):
    """What was erased: how many things, and how many of the ledger's entries have lost facts by it."""

    items: int = Field(default=0, ge=0)
    cases: int = Field(default=0, ge=0)
    records: int = Field(default=0, ge=0)
    escalations: int = Field(default=0, ge=0)
    entries: int = Field(default=0, ge=0)


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, keys among them."""
    match value:
        case str():
            yield value
        case list() | tuple():
            for one in value:
                yield from texts(one)
        case dict():
            for name, one in value.items():
                yield name
                yield from texts(one)
        case _:
            return


def _digits(phone: str) -> str:
    return re.sub(r"\D", "", phone)
