"""Jinja2 templates that policies write: sandboxed, undefined names are empty, no side effects."""

from collections.abc import Mapping
from functools import cache

from jinja2 import ChainableUndefined, Template, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from domain.errors import InputInvalid

_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=ChainableUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,  # the output is text for models and JSON for systems, never HTML
)


class _Probe(ChainableUndefined):
    """Any name, in a trial: text that is not empty."""

    def __str__(self) -> str:
        return "x"

    def __bool__(self) -> bool:
        return True


def check_template(source: str) -> str:
    """`source` itself if it can be rendered, with every name empty and with every name filled.

    Raises:
        ValueError: it cannot; an item would find that out too late.
    """
    for undefined in (ChainableUndefined, _Probe):
        try:
            _ENVIRONMENT.overlay(undefined=undefined).from_string(source).render()
        except TemplateError as exc:
            raise ValueError(f"not a Jinja2 template: {exc}; mend the braces or the tag") from exc
        except Exception as exc:  # whatever an expression of the author's can raise
            raise ValueError(f"a Jinja2 template that fails: {exc}; fields are text and can be empty") from exc
    return source


def names_in(source: str) -> frozenset[str]:
    """The names that a template asks for."""
    return frozenset(meta.find_undeclared_variables(_ENVIRONMENT.parse(source)))


def render(source: str, values: Mapping[str, object]) -> str:
    """`source` with `values` filled in and the outer white space taken off.

    Raises:
        InputInvalid: these very values make the template fail.
    """
    try:
        return _compiled(source).render(values).strip()
    except Exception as exc:  # whatever an expression of the author's can raise
        raise InputInvalid(f"the template '{source[:60]}' fails on it: {exc}") from exc


@cache
def _compiled(source: str) -> Template:
    return _ENVIRONMENT.from_string(source)
