"""Templates that policies write: checked at load, and errors that say what fails at run time."""

import pytest

from domain.errors import InputInvalid
from policies.templates import check_template, names_in, render


@pytest.mark.parametrize(
    ("source", "told"),
    [
        pytest.param("{{ name", "not a Jinja2 template", id="no end of the braces"),
        pytest.param("{{ name | shout }}", "No filter named", id="a filter that does not exist"),
        pytest.param("{% include 'x' %}", "a Jinja2 template that fails", id="a file"),
        pytest.param("{{ 1 / 0 }}", "a Jinja2 template that fails", id="it fails with every name empty"),
        pytest.param("{% if name %}{{ 1 / 0 }}{% endif %}", "a Jinja2 template that fails", id="with a name filled"),
    ],
)
def test_a_template_that_cannot_be_rendered_is_refused_at_load(source, told):
    with pytest.raises(ValueError, match=told):
        check_template(source)


def test_a_template_that_can_be_rendered_is_kept_as_it_stands():
    assert check_template("{{ name or 'x' }} {{ name | lower }}") == "{{ name or 'x' }} {{ name | lower }}"


def test_values_that_make_a_template_fail_make_the_input_invalid():
    with pytest.raises(InputInvalid, match="fails on it: integer division or modulo by zero"):
        render("{{ 10 // (seats | int) }}", {"seats": "0"})


def test_rendering_takes_the_outer_white_space_off():
    assert render("  {{ name }}\n", {"name": "Ada"}) == "Ada"


def test_the_names_that_a_template_asks_for_are_told():
    assert names_in("{{ route }} {% if name %}for {{ company.name }}{% endif %}") == {"route", "name", "company"}
    assert names_in("sales") == frozenset()
