"""Turns text into what a column holds and back, and refuses what the database would cut, round or shift."""

import datetime as dt
import json
import re
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, Json, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from sqlalchemy import JSON, BigInteger, Column, DateTime, Enum, Float, Integer, Numeric, SmallInteger, String
from sqlalchemy.types import TypeEngine

from domain.errors import InputInvalid

SMALL, USUAL, BIG = 2**15, 2**31, 2**63
"""Integers of 2, 4 and 8 bytes, as SQL databases have them; one below zero goes further than above."""


class Casting:
    """How one column's values are read.

    Args:
        whole_numbers_are_big: SQLite keeps every integer in up to 8 bytes.
    """

    def __init__(self, column: Column[Any], *, whole_numbers_are_big: bool) -> None:
        self._column = column
        self._adapter: TypeAdapter[Any] = TypeAdapter(_shape(column.type, whole_numbers_are_big))

    def cast(self, text: str) -> object:
        """The column's value for `text`; for an empty one NULL, unless the column holds text.

        A moment with a time zone goes into a column without one as UTC; the other way round it
        is refused, for nobody knows where it was.

        Raises:
            InputInvalid: it does not fit; names the column.
        """
        if "\x00" in text:  # PostgreSQL cannot hold it, and says so without naming a column
            raise InputInvalid(f"column '{self._column.name}': a NUL character cannot be stored")
        if not text and not self._holds_text:
            return None
        try:
            value = self._adapter.validate_python(text)
        except ValidationError as exc:
            fault = exc.errors(include_url=False, include_input=False)[0]["msg"]
            raise InputInvalid(f"column '{self._column.name}' ({self._column.type}): {fault}") from exc
        if isinstance(value, dt.datetime) and value.tzinfo and not self._zoned:
            return value.astimezone(dt.UTC).replace(tzinfo=None)
        return value

    def spell(self, stored: object) -> str:
        """The column's value as text, which `cast` reads as that value again; of NULL the empty text.

        Moments with a time zone are spelt in UTC.
        """
        match stored:
            case None:
                return ""
            case str() if not isinstance(self._column.type, JSON):
                return stored.rstrip(" ") if self._padded else stored
            case dt.datetime(tzinfo=dt.tzinfo()):
                return stored.astimezone(dt.UTC).isoformat()
            case bytes():
                return stored.decode(errors="backslashreplace")
            case _:
                plain = to_jsonable_python(stored)
                bare = isinstance(plain, str) and not isinstance(self._column.type, JSON)
                return str(plain) if bare else json.dumps(plain, ensure_ascii=False, sort_keys=True)

    def alike(self, one: str, other: str) -> bool:
        """Whether two texts are the same value; what the column cannot hold is like nothing but itself."""
        try:
            return one == other or self.holds(self.cast(one), self.cast(other))
        except InputInvalid:
            return False

    def holds(self, stored: object, wanted: object) -> bool:
        """Whether a column's value is the wanted one: 1.50 is 1.5; CHAR's padding is nothing; empty is NULL."""
        if stored is None or wanted is None:
            return stored in (None, "") and wanted in (None, "")
        if isinstance(stored, str) and isinstance(wanted, str):
            return stored == wanted or (self._padded and stored.rstrip(" ") == wanted.rstrip(" "))
        if isinstance(stored, float) and isinstance(wanted, Decimal):
            return Decimal(str(stored)) == wanted
        return stored == wanted

    @property
    def _holds_text(self) -> bool:
        return isinstance(self._column.type, String) and not isinstance(self._column.type, Enum)

    @property
    def _zoned(self) -> bool:
        return bool(getattr(self._column.type, "timezone", False))

    @property
    def _padded(self) -> bool:
        return self._column.type.__visit_name__ == "CHAR"


def _shape(column_type: TypeEngine[Any], whole_numbers_are_big: bool) -> Any:
    """What pydantic checks a value against; the type's own Python type unless more is known."""
    match column_type:
        case Enum():
            return Annotated[str, AfterValidator(partial(_one_of, tuple(column_type.enums)))]
        case String():
            return Annotated[str, Field(max_length=column_type.length)]
        case SmallInteger():
            return _whole(SMALL)
        case BigInteger():
            return _whole(BIG)
        case Integer():
            return _whole(BIG if whole_numbers_are_big else USUAL)
        case Float():  # whose precision counts bits
            return _python_type(column_type)
        case Numeric(precision=precision, scale=scale):
            return Annotated[Decimal, Field(max_digits=precision, decimal_places=scale, allow_inf_nan=False)]
        case DateTime(timezone=True):
            return Annotated[AwareDatetime, BeforeValidator(_written_out)]
        case JSON():
            return Json
        case _:
            return _python_type(column_type)


def _whole(limit: int) -> Any:
    return Annotated[int, Field(ge=-limit, lt=limit)]


def _python_type(column_type: TypeEngine[Any]) -> Any:
    try:
        known: Any = column_type.python_type
    except NotImplementedError:  # a type of the database's own, which reads text by itself
        return str
    if known is float:
        return Annotated[float, Field(allow_inf_nan=False)]
    if known in (dt.date, dt.datetime, dt.time, dt.timedelta):
        return Annotated[known, BeforeValidator(_written_out)]
    return known


def _one_of(words: tuple[str, ...], value: str) -> str:
    if value not in words:
        raise ValueError(f"use one of: {', '.join(words)}")
    return value


def _written_out(value: object) -> object:
    """Refuse a bare number, which pydantic would take for seconds since 1970: 20260131 is no moment in 1970."""
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[\d.]+\s*", value):
        raise ValueError("a bare number; write it out, such as 2026-01-31 or 2026-01-31T09:30:00Z")
    return value
