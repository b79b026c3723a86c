"""What the body of an HTTP answer says went wrong."""

import json

import httpx

LONGEST_MESSAGE = 300
"""Characters of a vendor's message that go into an outcome."""


def error_body(response: httpx.Response, success_field: str | None, secret: str) -> object:
    """The JSON of an error answer, its text if it is no JSON; nothing for a success.

    A secret that it quotes is struck out.
    """
    if response.is_success and success_field is None:
        return None
    text = response.text.replace(secret, "***") if secret else response.text
    try:
        body = json.loads(text)
    except ValueError:
        return None if response.is_success else text
    denied = isinstance(body, dict) and body.get(success_field) is False
    return body if denied or not response.is_success else None


def vendors_words(body: object) -> str:
    """The vendor's own words: `message`, `detail`, `description` or `error`, lists and objects down to their text."""
    match body:
        case str():
            return " ".join(body.split())[:LONGEST_MESSAGE]
        case {"description": said, "details": {**details}}:
            return vendors_words([said, *details.values()])
        case {"message": said} | {"msg": said} | {"detail": said} | {"description": said}:
            return vendors_words(said)
        case {"error": said} | {"errors": said}:
            return vendors_words(said)
        case [*parts]:
            return "; ".join(filter(None, map(vendors_words, parts)))[:LONGEST_MESSAGE]
        case _:
            return ""


def vendors_code(body: object) -> str | None:
    """The vendor's own error code: `code`, `errorCode`, `category` or `error`, of the first of several errors."""
    match body:
        case {"code": str(code)} | {"errorCode": str(code)} | {"category": str(code)} | {"error": str(code)}:
            return code
        case [first, *_] | {"error": first} | {"errors": [first, *_]}:
            return vendors_code(first)
        case _:
            return None
