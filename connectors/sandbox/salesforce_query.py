"""The part of SOQL that the Salesforce sandbox understands: equality, LIKE and IN, joined by AND and OR."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

Row = Mapping[str, str]
Condition = Callable[[Row], bool]
TOKEN = re.compile(r"\s*('(?:\\.|[^'\\])*'|[A-Za-z_]\w*|!=|[=(),]|\d+)", re.DOTALL)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class MalformedQueryError(ValueError):
    """The query is not in the language."""


@dataclass(frozen=True)
class Query:
    """A parsed query."""

    fields: list[str]
    object: str
    holds: Condition
    limit: int


def parse(soql: str) -> Query:
    """Read `SELECT … FROM … WHERE … LIMIT …`.

    Raises:
        MalformedQueryError: it is something else.
    """
    return _Parser(_tokens(soql)).query()


def _tokens(soql: str) -> list[str]:
    tokens, at, text = [], 0, soql.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise MalformedQueryError(f"unexpected token at {at}: {text[at : at + 20]}")
        tokens.append(found[1])
        at = found.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens

    def query(self) -> Query:
        self._expect("SELECT")
        fields = self._list()
        self._expect("FROM")
        name = self._take()
        self._expect("WHERE")
        holds = self._any()
        limit = int(self._take()) if self._accept("LIMIT") else 2_000
        if self._tokens:
            raise MalformedQueryError(f"unexpected token: {self._tokens[0]}")
        return Query(fields, name, holds, limit)

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._accept("OR"):
            parts.append(self._all())
        return lambda row: any(part(row) for part in parts)

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._accept("AND"):
            parts.append(self._one())
        return lambda row: all(part(row) for part in parts)

    def _one(self) -> Condition:
        if self._accept("("):
            inner = self._any()
            self._expect(")")
            return inner
        field, operator = self._take(), self._take().upper()
        match operator:
            case "=":
                wanted = _text(self._take()).lower()
                return lambda row: row.get(field, "").lower() == wanted and bool(wanted)
            case "LIKE":
                pattern = _text(self._take()).lower().replace("%", "*").replace("_", "?")
                return lambda row: fnmatchcase(row.get(field, "").lower(), pattern)
            case "IN":
                self._expect("(")
                choices = {_text(value).lower() for value in self._list()}
                self._expect(")")
                return lambda row: row.get(field, "").lower() in choices
        raise MalformedQueryError(f"unexpected operator: {operator}")

    def _list(self) -> list[str]:
        values = [self._take()]
        while self._accept(","):
            values.append(self._take())
        return values

    def _take(self) -> str:
        if not self._tokens:
            raise MalformedQueryError("unexpected end")
        return self._tokens.pop(0)

    def _accept(self, word: str) -> bool:
        if self._tokens and self._tokens[0].upper() == word:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise MalformedQueryError(f"expected {word}")


def _text(token: str) -> str:
    if not token.startswith("'"):
        raise MalformedQueryError(f"expected a string: {token}")
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), token[1:-1], flags=re.DOTALL)
