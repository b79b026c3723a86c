"""Jinja2 templates that policies write: sandboxed, undefined names are empty, no side effects."""

from collections.abc import Mapping
from functools import cache

from jinja2 import ChainableUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=ChainableUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,  # the output is text for models and JSON for systems, never HTML
)


def check_template(source: str) -> str:
    """`source` itself if it is a template; raises ValueError with the line otherwise."""
    try:
        _ENVIRONMENT.from_string(source)
    except TemplateError as exc:
        raise ValueError(f"not a Jinja2 template: {exc}; mend the braces or the tag") from exc
    return source


def render(source: str, values: Mapping[str, object]) -> str:
    """`source` with `values` filled in and the outer white space taken off."""
    return _compiled(source).render(values).strip()


@cache
def _compiled(source: str) -> Template:
    return _ENVIRONMENT.from_string(source)
