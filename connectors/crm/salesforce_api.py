"""What Salesforce takes and answers, and what its limits are.

Written to https://developer.salesforce.com/docs/platform/api-rest/guide (version 68.0).
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, RootModel

from connectors.http_outcomes import Limit, Meaning, Refusal, Vendor
from connectors.spec import Variable

NAME = "Salesforce"
ROOT = "/services/data/v68.0"
DAILY_WAIT_S = 900.0
"""The daily limit counts the last 24 hours, so calls come free all the time: ask each quarter of an hour."""
CONCURRENT_WAIT_S = 2.0
"""This limit counts requests that run for 20 seconds or more; it passes as they end. The wait is ours."""
PASSING = frozenset({"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE"})
"""Error codes of what the same request may not meet again."""

TOKEN = Variable("INTERLOCK_SALESFORCE_TOKEN", "Salesforce access token", secret=True)
URL = Variable("INTERLOCK_SALESFORCE_URL", "address of the Salesforce org, such as https://acme.my.salesforce.com")


class Values(RootModel[dict[str, str]]):
    """Body of an upsert: fields, without the external id."""


class Collection(BaseModel):
    """Body of an upsert of several; the external id is among the fields."""

    all_or_none: bool = Field(default=False, serialization_alias="allOrNone")
    records: list[dict[str, str | dict[str, str]]]

    model_config = ConfigDict(serialize_by_alias=True)


class ItemError(BaseModel):
    """An error of one record; it may carry the duplicates that were found."""

    status_code: str = Field(default="", validation_alias="statusCode")
    message: str = ""

    model_config = ConfigDict(extra="allow")


class Upserted(BaseModel):
    """What became of one record."""

    id: str | None = None
    success: bool
    created: bool = False
    errors: list[ItemError] = []


SILENT = Upserted(success=True)
"""What older versions answer to an update: nothing."""


class UpsertedList(RootModel[list[Upserted]]):
    """What became of several, in order."""


class Rows(BaseModel):
    """Answer to a query."""

    records: list[dict[str, object]]


def limit_of(refusal: Refusal, _: datetime) -> Limit:
    """Which of its limits Salesforce means, which it tells by the message alone."""
    if refusal.code != "REQUEST_LIMIT_EXCEEDED":
        return Limit()
    return Limit("concurrent", CONCURRENT_WAIT_S) if "Concurrent" in refusal.detail else Limit("daily", DAILY_WAIT_S)


LATER = dict.fromkeys(("REQUEST_LIMIT_EXCEEDED", *PASSING), Meaning.LATER)
VENDOR = Vendor(NAME, TOKEN.name, codes=LATER, limit=limit_of)
"""Salesforce answers 403 where others answer 429."""
