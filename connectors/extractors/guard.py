"""Takes a model's word for a field only where the text bears it out."""

from collections.abc import Mapping

from connectors.extractors.matches import Match, of_kind
from connectors.extractors.senders import Mail
from domain.extraction import CONFIDENCE, By, Found, Ground, Quoted, supported
from policies.extract import About, Wanted
from policies.fields import Conventions, FieldType, normalised


def judged(mail: Mail, kind: FieldType, wanted: Wanted, conventions: Conventions, said: Quoted) -> Found | str:
    """A field as a model gives it, with its place; or what is wrong with it, in words that the model is told.

    Nothing is taken whose quote is not in the text, whose value is not in its quote (or what the
    quote says, normalised), that is malformed, or that another person than the sender says.
    """
    value = _read(kind, said.value, conventions)
    if not value:
        return f"the value is no {kind.value} that can be read"
    if wanted.pattern is not None and [match.value for match in _matches(kind, wanted, value, conventions)] != [value]:
        return "the value is not of the form that this field has"
    readings = () if kind is FieldType.TEXT else _readings(kind, wanted, said.quote, conventions)
    place = supported(said, mail.text, ()) or supported(said.model_copy(update={"value": value}), mail.text, readings)
    if place is None:
        return "the quote is not in the message, or the value is not in the quote"
    if wanted.about is About.SENDER and not any(part.start <= place[0] < part.end for part in mail.speaking):
        return "somebody else's, not the sender's own"
    ground = Ground.UNSTATED if said.confidence is None else Ground.LOGPROBS
    confidence = CONFIDENCE[ground] if said.confidence is None else said.confidence
    return Found(value=value, start=place[0], end=place[1], by=By.MODEL, ground=ground, confidence=confidence)


def faults(judgements: Mapping[str, Found | str]) -> dict[str, str]:
    """What is wrong, by field."""
    return {name: one for name, one in judgements.items() if isinstance(one, str)}


def taken(judgements: Mapping[str, Found | str]) -> dict[str, Found]:
    """What is borne out, by field."""
    return {name: one for name, one in judgements.items() if isinstance(one, Found)}


def _readings(kind: FieldType, wanted: Wanted, quote: str, conventions: Conventions) -> list[str]:
    """What a quote can be read as: as a whole, and each match of the field's type in it."""
    return [_read(kind, quote, conventions), *(match.value for match in _matches(kind, wanted, quote, conventions))]


def _matches(kind: FieldType, wanted: Wanted, text: str, conventions: Conventions) -> list[Match]:
    return of_kind(kind, wanted, text, 0, len(text), conventions)


def _read(kind: FieldType, raw: str, conventions: Conventions) -> str:
    return " ".join(normalised(kind, raw, conventions).split())
