"""Each type's one spelling, and what has none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.fields import Conventions, DateOrder, FieldType, country_named, normalised
from policies.money import money

GERMANY = Conventions("DE")
ANYTHING = st.text(st.characters())


@pytest.mark.parametrize(
    ("kind", "raw", "written"),
    [
        (FieldType.PHONE, "040 66969-120", "+494066969120"),
        (FieldType.PHONE, "+44 20 7946 0118", "+442079460118"),
        (FieldType.PHONE, "0044 20 7946 0118", "+442079460118"),
        (FieldType.PHONE, "12", ""),
        (FieldType.PHONE, "call me", ""),
        (FieldType.COUNTRY, "Germany", "DE"),
        (FieldType.COUNTRY, "ÖSTERREICH", "AT"),
        (FieldType.COUNTRY, "Pays-Bas", "NL"),
        (FieldType.COUNTRY, "U.S.A.", "US"),
        (FieldType.COUNTRY, "uk", "GB"),
        (FieldType.COUNTRY, "che", "CH"),
        (FieldType.COUNTRY, "Europe", ""),
        (FieldType.COUNTRY, "EU", ""),
        (FieldType.DATE, "2026-03-04", "2026-03-04"),
        (FieldType.DATE, "4.3.2026", "2026-03-04"),
        (FieldType.DATE, "04.03.26", "2026-03-04"),
        (FieldType.DATE, "12. März 2026", "2026-03-12"),
        (FieldType.DATE, "March 4th, 2026", "2026-03-04"),
        (FieldType.DATE, "1er avril 2026", "2026-04-01"),
        (FieldType.DATE, "24/06/2026", "2026-06-24"),
        (FieldType.DATE, "06/24/2026", "2026-06-24"),
        (FieldType.DATE, "05/05/2026", "2026-05-05"),
        (FieldType.DATE, "03/04/2026", ""),
        (FieldType.DATE, "31.02.2026", ""),
        (FieldType.DATE, "12. März", ""),
        (FieldType.DATE, "March 2026", ""),
        (FieldType.DATE, "next Friday", ""),
        (FieldType.NAME, "ANNA WEBER", "Anna Weber"),
        (FieldType.NAME, "Weber, Anna", "Anna Weber"),
        (FieldType.NAME, "Frau Dipl.-Ing. Petra von Ahn", "Petra von Ahn"),
        (FieldType.NAME, "Dr. anna weber", "Anna Weber"),
        (FieldType.NAME, "o'neill", "O'Neill"),
        (FieldType.NAME, "anna@weber.example", ""),
        (FieldType.NAME, "n/a", ""),
        (FieldType.NAME, "x" * 200, ""),
        (FieldType.COMPANY, " Nordwind \n GmbH, ", "Nordwind GmbH"),
        (FieldType.COMPANY, "--", ""),
    ],
)
def test_a_value_has_one_spelling_or_is_missing(kind: FieldType, raw: str, written: str) -> None:
    assert normalised(kind, raw, GERMANY) == written


@pytest.mark.parametrize(("order", "day"), [(DateOrder.DMY, "2026-04-03"), (DateOrder.MDY, "2026-03-04"), (None, "")])
def test_an_ambiguous_date_is_read_as_the_policy_says_or_not_at_all(order: DateOrder | None, day: str) -> None:
    assert normalised(FieldType.DATE, "03/04/2026", Conventions(date_order=order)) == day


def test_a_number_without_a_prefix_is_nobodys_without_a_region() -> None:
    assert normalised(FieldType.PHONE, "040 66969-120", Conventions()) == ""


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("1.234,50 €", "1234.50 EUR"),
        ("$1,234.50", "1234.50 USD"),
        ("12k EUR", "12000.00 EUR"),
        ("1.5k €", "1500.00 EUR"),
        ("12 T€", "12000.00 EUR"),
        ("12,5 Mio. EUR", "12500000.00 EUR"),
        ("€ 99,-", "99.00 EUR"),
        ("CHF 1'234.50", "1234.50 CHF"),
        ("1 234,50 €", "1234.50 EUR"),
        ("1.234 €", "1234.00 EUR"),
        ("¥ 1000", ""),
        ("kr 500", ""),
        ("1.234 KWD", ""),
        ("1234.567 €", ""),
        ("1,234.567 €", ""),
        ("1,234.567 KWD", "1234.567 KWD"),
        ("1.500k EUR", ""),
        ("1.234.5 €", ""),
        ("1234,567 EUR", ""),
        ("10-15k EUR", ""),
        ("-5 EUR", ""),
        ("5", ""),
        ("EUR", ""),
        ("9999999999999 EUR", ""),
    ],
)
def test_an_amount_is_read_where_it_can_mean_one_thing(raw: str, written: str) -> None:
    assert money(raw, None) == written


@pytest.mark.parametrize(
    ("raw", "region", "written"),
    [
        ("kr 500", "SE", "500.00 SEK"),
        ("¥ 1000", "JP", "1000 JPY"),
        ("$5", "US", "5.00 USD"),
        ("$5", "CA", ""),
        ("CA$5", "US", "5.00 CAD"),
    ],
)
def test_a_sign_of_several_currencies_is_the_regions_own(raw: str, region: str, written: str) -> None:
    assert money(raw, region) == written


@pytest.mark.parametrize("kind", FieldType)
@given(raw=ANYTHING)
def test_no_text_is_too_strange_and_what_came_out_goes_in_again(kind: FieldType, raw: str) -> None:
    once = normalised(kind, raw, GERMANY)
    assert normalised(kind, once, GERMANY) == once


@given(
    st.integers(0, 10**9), st.sampled_from(["EUR", "USD", "CHF", "SEK"]), st.booleans(), st.sampled_from([".,", ",."])
)
def test_an_amount_survives_every_way_of_grouping(cents: int, code: str, before: bool, signs: str) -> None:
    whole = f"{cents // 100:,}".replace(",", signs[0])
    amount = f"{whole}{signs[1]}{cents % 100:02d}"
    assert (
        money(f"{code} {amount}" if before else f"{amount} {code}", None) == f"{cents // 100}.{cents % 100:02d} {code}"
    )


@pytest.mark.parametrize(("raw", "code"), [("Deutschland", "DE"), ("USA", "US"), ("UK", "GB"), ("de", ""), ("MAN", "")])
def test_in_running_text_a_code_names_no_country(raw: str, code: str) -> None:
    assert country_named(raw) == code
