"""Slack: messages to a channel, found again by the metadata that they carry.

Sources: docs.slack.dev, "chat.postMessage", "conversations.history", "Message metadata", "Rate limits",
"Truncating really long messages" and "Formatting message text".
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import assert_never

from pydantic import BaseModel, Field, JsonValue

from connectors.capabilities import Capabilities, Idempotency, Upsert
from connectors.chat.slack_diagnosis import diagnosed
from connectors.diagnosis import Diagnosis, Use
from connectors.http_outcomes import HttpApi, Meaning, Vendor
from connectors.spec import TIMEOUT_S, Option, SystemSpec, Variable, client, seconds, secret, url
from domain.delivery import Conflict, DeliveryOutcome, Invalid, Operation, RetryAfter, Unknown, Written

SLACK_TOKEN = Variable(
    "INTERLOCK_SLACK_TOKEN",
    "bot token of your Slack app, which may use chat:write and the channel's history",
    secret=True,
)
SLACK_URL = Variable("INTERLOCK_SLACK_URL", "address of Slack's Web API", "https://slack.com/api")
CHANNEL = Option("channel", "the id of the channel, such as C0123456789, at the end of its details in Slack")
MARKUP = Option(
    "markup",
    "'plain' shows the text as it stands; 'mrkdwn' lets it format, link and mention: only for text of your own",
    "plain",
)
LOOK_BACK_HOURS = Option(
    "look_back_hours",
    "in a channel of more messages than can be read, for how long back they must be without an earlier try",
    "168",
)

CHANNEL_ID = re.compile(r"[CDG][A-Z0-9]{2,}")
"""History takes ids alone, though messages may be posted by a channel's name."""
LONGEST_TEXT = 40_000
"""Characters; Slack cuts off the rest and says nothing ("Truncating really long messages")."""
EVENT_TYPE = "interlock_operation"
PAGE = 999
"""Most messages at once ("conversations.history"): few requests, of which there are 50 a minute. Apps sold outside
the Marketplace get 15."""
MOST_PAGES = 5
RATE_PER_S = 1.0
"""Messages to one channel ("Rate limits")."""

VENDOR = Vendor(
    name="Slack",
    key_variable=SLACK_TOKEN.name,
    success_field="ok",
    codes={
        "ratelimited": Meaning.LATER,
        "rate_limited": Meaning.LATER,
        "service_unavailable": Meaning.LATER,
        "team_added_to_org": Meaning.LATER,  # for some minutes
        "request_timeout": Meaning.LATER,  # the request came truncated
        "internal_error": Meaning.BROKEN,  # "possible some aspect of the operation succeeded"
        "fatal_error": Meaning.BROKEN,
        **dict.fromkeys(
            (
                "not_authed",
                "invalid_auth",
                "account_inactive",
                "token_revoked",
                "token_expired",
                "not_allowed_token_type",
                "org_login_required",
            ),
            Meaning.UNAUTHORISED,
        ),
        **dict.fromkeys(("missing_scope", "no_permission", "access_denied"), Meaning.FORBIDDEN),
    },
)


class Metadata(BaseModel):
    """What a message carries unseen."""

    event_type: str
    event_payload: dict[str, JsonValue] = {}


class NewMessage(BaseModel):
    """Body of chat.postMessage. Links are not fetched for a preview: some of them are for one person."""

    channel: str
    text: str
    mrkdwn: bool
    metadata: Metadata
    unfurl_links: bool = False
    unfurl_media: bool = False


class Posted(BaseModel):
    """Answer to chat.postMessage; `ts` names the message in its channel."""

    ok: bool
    channel: str
    ts: str


class PastMessage(BaseModel):
    """A message of the history; `ts` is a time in seconds too."""

    ts: str = Field(pattern=r"^[0-9]+(\.[0-9]+)?$")
    metadata: Metadata | None = None


class Next(BaseModel):
    """Where the next page of a list begins; empty at its end."""

    next_cursor: str = ""


class History(BaseModel):
    """Answer to conversations.history, the newest message first."""

    ok: bool
    messages: list[PastMessage]
    has_more: bool = False
    response_metadata: Next | None = None


class Slack:
    """Posts the value `text` to the channel of the option; every send posts another message.

    A record's external id is the channel's and the message's `ts`, parted by a slash.
    """

    # No bound is documented for how soon a message is in the history.
    capabilities = Capabilities(
        upsert=Upsert.NONE, idempotency=Idempotency.TRACE, search_lag_s=10, rate_per_s=RATE_PER_S
    )

    def __init__(self, url: str, token: str, timeout_s: float) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._api = HttpApi(VENDOR, client(url, timeout_s, headers), token)

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Post the message; after `Unknown`, sending again without `find` posts another."""
        if refused := _unusable(operation):
            return refused
        match await self._api.act(Posted, "POST", "/chat.postMessage", _message(operation)):
            case Posted(channel=channel, ts=ts):
                return Written(kind="created", external_id=f"{channel}/{ts}")
            case Conflict() | Invalid() | RetryAfter() | Unknown() as failure:
                return failure
            case other:
                assert_never(other)

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """The message that carries the operation's id, however long ago it was posted: a write may be put back late.

        In a channel of more messages than are worth reading it is not there if it is not among those, and they
        go back `look_back_hours`; else `Unknown`: a person must look. A look-up that is refused is
        `RetryAfter`, for it tells nothing of the write.
        """
        wanted, read = _history(operation), datetime.now(UTC).timestamp()
        since = read - int(_option(operation, LOOK_BACK_HOURS)) * 3600
        for _ in range(MOST_PAGES):
            match await self._api.look_up(History, "/conversations.history", wanted):
                case History(messages=messages) as page:
                    if mine := [message for message in messages if _carries(message, operation)]:
                        return Written(kind="created", external_id=f"{wanted['channel']}/{mine[-1].ts}", found=True)
                    cursor = page.response_metadata.next_cursor if page.response_metadata else ""
                    if not page.has_more:
                        return None
                    if not cursor:
                        return RetryAfter(detail=f"{VENDOR.name}: the channel's history breaks off")
                    wanted = wanted | {"cursor": cursor}
                    read = min([read, *(float(message.ts) for message in messages)])
                case RetryAfter() as later:
                    return later
                case other:
                    assert_never(other)
        if read <= since:
            return None
        return Unknown(
            detail=f"{VENDOR.name}: not among the last messages of {wanted['channel']}, of which there are more"
        )

    async def diagnose(self, uses: Sequence[Use]) -> Diagnosis:
        """How the app stands to the channels that it posts to."""
        return await diagnosed(self._api, uses)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()


def _unusable(operation: Operation) -> Invalid | None:
    """What Slack would change or drop, or what could not be looked up."""
    if strange := sorted(operation.values.keys() - {"text"}):
        return Invalid(detail=f"{VENDOR.name}: messages have no {', '.join(strange)}; use text")
    if not (text := _text(operation)).strip():
        return Invalid(detail=f"{VENDOR.name}: text is empty")
    if len(text) > LONGEST_TEXT:
        return Invalid(detail=f"{VENDOR.name}: text has {len(text)} characters, of which {LONGEST_TEXT} would be kept")
    channel = operation.options.get(CHANNEL.name, "")
    if not CHANNEL_ID.fullmatch(channel):
        return Invalid(detail=f"{VENDOR.name}: option {CHANNEL.name} is '{channel}'; give {CHANNEL.meaning}")
    if (markup := _option(operation, MARKUP)) not in {"plain", "mrkdwn"}:
        return Invalid(detail=f"{VENDOR.name}: option {MARKUP.name} is '{markup}'; use plain or mrkdwn")
    hours = _option(operation, LOOK_BACK_HOURS)
    if not hours.isdecimal() or int(hours) == 0:
        return Invalid(detail=f"{VENDOR.name}: option {LOOK_BACK_HOURS.name} is '{hours}', no number of hours")
    return None


def _message(operation: Operation) -> NewMessage:
    return NewMessage(
        channel=operation.options[CHANNEL.name],
        text=_text(operation),
        mrkdwn=_option(operation, MARKUP) == "mrkdwn",
        metadata=Metadata(event_type=EVENT_TYPE, event_payload={"operation_id": operation.operation_id}),
    )


def _text(operation: Operation) -> str:
    """Escaped unless the policy vouches for it: else `<!channel>` in a customer's words would wake everybody."""
    text = operation.values.get("text", "")
    if _option(operation, MARKUP) == "mrkdwn":
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _history(operation: Operation) -> dict[str, str]:
    channel = operation.options.get(CHANNEL.name, "")
    return {"channel": channel, "include_all_metadata": "true", "limit": str(PAGE)}


def _carries(message: PastMessage, operation: Operation) -> bool:
    left = message.metadata
    return left is not None and left.event_payload.get("operation_id") == operation.operation_id


def _option(operation: Operation, option: Option) -> str:
    return operation.options.get(option.name) or option.default or ""


def _open(values: Mapping[str, str]) -> Slack:
    return Slack(url(values, SLACK_URL), secret(values, SLACK_TOKEN), seconds(values, TIMEOUT_S))


SPEC = SystemSpec(_open, (SLACK_URL, SLACK_TOKEN, TIMEOUT_S), (CHANNEL, MARKUP, LOOK_BACK_HOURS), place=CHANNEL)
