"""The rules' language: typed, without Python, without surprises from null."""

import pytest

from policies.rules import check_expression, matches

FIELDS = {"toys": True, "company": False}
NOTHING_KNOWN = {"text": "hello", "source": "post", "missing": ["company"]}


@pytest.mark.parametrize(
    "expression",
    [
        "text.__class__",
        "text.__class__.__mro__",
        "missing.append('x')",
        "toys.real",
        "__import__('os')",
        "open('/etc/passwd')",
        "eval('1')",
        "text.format(1)",
        "$import('os')",
        "$env('HOME') == 'x'",
        "$random() < 0.5",
        "$now > d'2020-01-01'",
        "text == 'it\\'s' and $today > d'2020-01-01'",
    ],
)
def test_a_rule_reaches_neither_python_nor_clock_nor_dice(expression: str) -> None:
    with pytest.raises(ValueError, match=r"^rule .*(unknown attribute|no field|no function|not a callable)"):
        check_expression(expression, FIELDS)


@pytest.mark.parametrize(
    "expression",
    [
        "toys >= 100 and company =~~ 'Ltd'",
        "text == '$now'",
        'text == "$random"',
        "$any([name == 'company' for name in missing])",
        "text.as_lower == 'hello'",
        "text.length > 3",
    ],
)
def test_what_a_rule_may_say(expression: str) -> None:
    check_expression(expression, FIELDS)


@pytest.mark.parametrize(
    "expression",
    [
        "toys >= 0",
        "toys < 10",
        "not toys >= 0",
        "toys / 0 > 1",
        "company == 'Ltd'",
        "company =~~ '.*'",
        "company.length >= 0",
        "company.as_lower == 'ltd'",
        "'Ltd' in company",
        "not ('Ltd' in company)",
        "text.to_flt > 1",
        "text[100] == 'x'",
    ],
)
def test_what_cannot_be_compared_does_not_hold(expression: str) -> None:
    check_expression(expression, FIELDS)

    assert not matches(expression, FIELDS, NOTHING_KNOWN)


@pytest.mark.parametrize(
    ("expression", "values", "holds"),
    [
        pytest.param("toys >= 100", {"toys": 100.0}, True, id="a number"),
        pytest.param("toys >= 100", {"toys": 99.0}, False, id="a smaller number"),
        pytest.param("toys == null", {}, True, id="absent is null"),
        pytest.param("company =~~ '(?i)ltd'", {"company": "Toys LTD"}, True, id="part of a text"),
        pytest.param("'company' in missing", {}, True, id="a missing field"),
        pytest.param("source == 'post'", {}, True, id="the source"),
    ],
)
def test_a_rule_holds(expression: str, values: dict[str, object], holds: bool) -> None:
    assert matches(expression, FIELDS, NOTHING_KNOWN | values) is holds
