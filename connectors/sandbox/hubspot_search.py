"""The search of the HubSpot sandbox: filters over an index that lags behind the records."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import NamedTuple

import phonenumbers
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

MOST_RESULTS = 10_000
PHONE_INDEX = "hs_searchable_calculated_phone_number"
DATES = frozenset({"createdate", "lastmodifieddate", "hs_lastmodifieddate"})


class Filter(BaseModel):
    """A condition on one property."""

    model_config = ConfigDict(alias_generator=to_camel)

    property_name: str
    operator: str
    value: str = ""


class FilterGroup(BaseModel):
    """Conditions that must all hold."""

    filters: list[Filter] = Field(max_length=10)


class Sort(BaseModel):
    """The property to sort by."""

    model_config = ConfigDict(alias_generator=to_camel)

    property_name: str
    direction: str = "ASCENDING"


class Search(BaseModel):
    """Body of `POST …/search`: any of the groups must hold; one sort at most, as at HubSpot."""

    model_config = ConfigDict(alias_generator=to_camel)

    filter_groups: list[FilterGroup] = Field(default=[], max_length=5)
    sorts: list[Sort] = Field(default=[], max_length=1)
    properties: list[str] = []
    limit: int = Field(default=10, ge=1, le=200)
    after: int = 0

    def matches(self, properties: Mapping[str, str]) -> bool:
        """Whether a record with these properties is a result."""
        groups = [group.filters for group in self.filter_groups]
        return not groups or any(all(_holds(properties, one) for one in filters) for filters in groups)

    def order(self, properties: Mapping[str, str]) -> tuple[bool, float, str]:
        """A key to sort by; records without the property come last."""
        if not self.sorts:
            return (False, 0, "")
        name = self.sorts[0].property_name
        value = properties.get(name, "")
        number = _number(name, value)
        return (not value, number if number is not None else 0, value)


class Version(NamedTuple):
    """A record's properties as they were from `at_ms` on."""

    at_ms: int
    properties: dict[str, str]


class LaggingIndex:
    """What a search sees of records: their state `lag_s` seconds ago, or nothing if they are younger."""

    def __init__(self) -> None:
        self._versions: defaultdict[str, list[Version]] = defaultdict(list)

    def add(self, record_id: str, at_ms: int, properties: dict[str, str]) -> None:
        """Note a new state of a record."""
        self._versions[record_id].append(Version(at_ms, properties))

    def forget(self, record_id: str) -> None:
        """Drop the states of a record."""
        self._versions.pop(record_id, None)

    def visible(self, until_ms: int) -> Iterable[tuple[str, dict[str, str]]]:
        """Ids and properties as of `until_ms`."""
        for record_id, versions in self._versions.items():
            seen = [version for version in versions if version.at_ms <= until_ms]
            if seen:
                del versions[: len(seen) - 1]
                yield record_id, seen[-1].properties


def _holds(properties: Mapping[str, str], condition: Filter) -> bool:
    name, wanted = condition.property_name, condition.value
    value = _phone(properties.get("phone", "")) if name == PHONE_INDEX else properties.get(name, "")
    match condition.operator:
        case "HAS_PROPERTY":
            return bool(value)
        case "EQ":
            same_number = name in DATES and _number(name, value) == _number(name, wanted)
            return same_number or (bool(value) and value.lower() == wanted.lower())
        case "CONTAINS_TOKEN":
            return any(fnmatchcase(token, wanted.lower()) for token in value.lower().split())
    left, right = _number(name, value), _number(name, wanted)
    if left is None or right is None:
        return False
    return {"GT": left > right, "GTE": left >= right, "LT": left < right, "LTE": left <= right}[condition.operator]


def _number(name: str, value: str) -> float | None:
    """A number, or a time in milliseconds."""
    try:
        if name in DATES and "T" in value:
            return round(datetime.fromisoformat(value).timestamp() * 1000)
        return float(value)
    except ValueError:
        return None


def _phone(value: str) -> str:
    try:
        return str(phonenumbers.parse(value, None).national_number)
    except phonenumbers.NumberParseException:
        return "".join(filter(str.isdigit, value))
