"""How far two values of a kind agree: tables of cases, and what holds for all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.likeness import AGREEMENT, Level
from domain.linkage.comparison import Compared, Comparison, Fields, prepare
from domain.linkage.grades import Kind, grade, spelled

SAME, CLOSE, LIKE, DIFFERENT, MISSING = Level.SAME, Level.CLOSE, Level.LIKE, Level.DIFFERENT, Level.MISSING

TABLE = [
    (Kind.NAME, "Weber, Julia", "julia weber", SAME),
    (Kind.NAME, "Julia Weber", "Julia Webre", CLOSE),
    (Kind.NAME, "J. Weber", "Julia Weber", LIKE),
    (Kind.NAME, "Julia Weber", "Omar Haddad", DIFFERENT),
    (Kind.NAME, "", "Omar Haddad", MISSING),
    (Kind.NAME, "-", "Omar Haddad", MISSING),
    (Kind.GIVEN_NAME, "Jürgen", "Juergen", SAME),
    (Kind.GIVEN_NAME, "Michaela", "Micheala", CLOSE),
    (Kind.GIVEN_NAME, "Katrin", "Karin", CLOSE),
    (Kind.GIVEN_NAME, "Jon", "Joan", CLOSE),
    (Kind.GIVEN_NAME, "Michaela", "Mikaela", LIKE),
    (Kind.GIVEN_NAME, "Anna", "Peter", DIFFERENT),
    (Kind.FAMILY_NAME, "Meier", "Mayer", LIKE),
    (Kind.PLACE, "Winston Hills", "Winstan Hills", CLOSE),
    (Kind.PLACE, "Hamburg", "Lübeck", DIFFERENT),
    (Kind.EMAIL, "J.Weber@nordlager.example", "j.weber@nordlager.example ", SAME),
    (Kind.EMAIL, "j.weber@nordlager.example", "j.webber@nordlager.example", CLOSE),
    (Kind.EMAIL, "j.weber@nordlager.example", "j.weber@gmx.example", LIKE),
    (Kind.EMAIL, "j.weber@nordlager.example", "o.haddad@nordlager.example", DIFFERENT),
    (Kind.PHONE, "+49 40 6696912", "0049 40/669-6912", SAME),
    (Kind.PHONE, "040 6696912", "+49 40 6696912", SAME),
    (Kind.PHONE, "040 6696912", "+49 40 6699612", CLOSE),
    (Kind.PHONE, "040 6696912", "040 6696733", LIKE),
    (Kind.PHONE, "040 6696912", "030 2345678", DIFFERENT),
    (Kind.PHONE, "112", "+49 40 6696112", DIFFERENT),
    (Kind.DATE, "1965-10-13", "19651013", SAME),
    (Kind.DATE, "1965-10-13", "1965-10-31", CLOSE),
    (Kind.DATE, "1965-10-03", "1965-03-10", CLOSE),
    (Kind.DATE, "1965-10-13", "1992-10-13", LIKE),
    (Kind.DATE, "1965-10-13", "1971-02-28", DIFFERENT),
    (Kind.STREET, "12 Stanley Street", "12 stanley st.", SAME),
    (Kind.STREET, "Stanley St. 12", "12 Stanley Street", SAME),
    (Kind.STREET, "Hauptstraße 7", "Hauptstr. 7", SAME),
    (Kind.STREET, "12 Stanley Street", "12 Stanly Street", CLOSE),
    (Kind.STREET, "Stanley Street", "12 Stanley Street", CLOSE),
    (Kind.STREET, "12 Stanley Street", "14 Stanley Street", LIKE),
    (Kind.STREET, "12 Stanley Street", "12 Stanton Court", LIKE),
    (Kind.STREET, "12 Stanley Street", "7 Pinkerton Circuit", DIFFERENT),
    (Kind.POSTCODE, "SW1A 1AA", "sw1a1aa", SAME),
    (Kind.POSTCODE, "20095", "20059", CLOSE),
    (Kind.POSTCODE, "20095", "20354", LIKE),
    (Kind.POSTCODE, "20095", "80331", DIFFERENT),
    (Kind.COMPANY, "Nordlager GmbH", "NORDLAGER", SAME),
    (Kind.COMPANY, "Nordlager Logistik GmbH", "Nordlager Logistic GmbH", CLOSE),
    (Kind.COMPANY, "Nordlager Logistik", "Logistik Nordlager", CLOSE),
    (Kind.COMPANY, "Nordlager", "Nordlager Logistik und Transport", LIKE),
    (Kind.COMPANY, "N. Logistik", "Nordlager Logistik", LIKE),
    (Kind.COMPANY, "Nordlager", "Südwerk", DIFFERENT),
    (Kind.COMPANY, "AG", "AG", SAME),
    (Kind.TEXT, "the printer does not print", "The printer does not print!", SAME),
    (Kind.TEXT, "the printer does not print", "the printer doesn't print", CLOSE),
    (Kind.TEXT, "the printer does not print", "our printer will not print", LIKE),
    (Kind.TEXT, "the printer does not print", "an invoice is wrong", DIFFERENT),
    (Kind.CODE, "DE-12345", "de 12345", SAME),
    (Kind.CODE, "DE12345", "DE12354", CLOSE),
    (Kind.CODE, "12", "13", DIFFERENT),
    (Kind.CODE, "DE12345", "FR99999", DIFFERENT),
]
KINDS = st.sampled_from(list(Kind))
TEXTS = st.sampled_from([text for row in TABLE for text in row[1:3]]) | st.text(max_size=15)


@pytest.mark.parametrize(("kind", "one", "other", "level"), TABLE)
def test_two_values_agree_so_far(kind: Kind, one: str, other: str, level: Level) -> None:
    assert grade(kind, spelled(kind, one), spelled(kind, other)) is level


@given(KINDS, TEXTS, TEXTS)
def test_the_order_of_two_values_does_not_matter(kind: Kind, one: str, other: str) -> None:
    a, b = spelled(kind, one), spelled(kind, other)
    assert grade(kind, a, b) is grade(kind, b, a)


@given(KINDS, TEXTS)
def test_a_value_is_the_same_as_itself_and_its_spelling_is_spelled_already(kind: Kind, text: str) -> None:
    once = spelled(kind, text)
    assert spelled(kind, once) == once
    assert grade(kind, once, once) is (SAME if once else MISSING)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Kind.GIVEN_NAME, ["katharina", "katharnia", "catherine", "omar"]),
        (Kind.DATE, ["19651013", "19651031", "19921013", "20010704"]),
        (Kind.PHONE, ["49406696912", "49406696192", "49406696733", "33145678901"]),
        (Kind.STREET, ["12 stanley st", "12 stanly st", "14 stanley st", "7 pinkerton cct"]),
        (Kind.POSTCODE, ["20095", "20059", "20354", "80331"]),
        (Kind.COMPANY, ["nordlager logistik", "nordlager logistic", "nordlager", "sudwerk"]),
        (Kind.EMAIL, ["j.weber@nord.example", "j.webber@nord.example", "j.weber@gmx.example", "o.haddad@nord.example"]),
        (Kind.TEXT, ["the printer does not print", "the printer doesnt print", "our printer will not print", "hello"]),
    ],
)  # fmt: skip
def test_the_further_two_values_are_apart_the_less_they_agree(kind: Kind, values: list[str]) -> None:
    places = [AGREEMENT.index(grade(kind, values[0], value)) for value in values]
    assert places == sorted(places)
    assert len(set(places)) == len(values)


PERSON = Fields(
    compared=(
        Compared(name="first", kind=Kind.GIVEN_NAME, also_in=("last",)),
        Compared(name="last", kind=Kind.FAMILY_NAME, also_in=("first",)),
        Compared(name="whole", kind=Kind.NAME, of=("first", "last")),
    )
)


@pytest.mark.parametrize(
    ("one", "other", "levels"),
    [
        pytest.param(("Julia", "Weber"), ("Julia", "Weber"), (SAME, SAME, SAME), id="all the same"),
        pytest.param(("Julia", "Weber"), ("Weber", "Julia"), (Level.ELSEWHERE, Level.ELSEWHERE, SAME), id="exchanged"),
        pytest.param(("Julia", "Weber"), ("", "Julia"), (Level.ELSEWHERE, Level.ELSEWHERE, DIFFERENT),
                     id="one of them in the other's place"),
        pytest.param(("Julia", ""), ("Omar", "Haddad"), (DIFFERENT, MISSING, DIFFERENT), id="missing is nowhere else"),
        pytest.param(("", ""), ("", ""), (MISSING, MISSING, MISSING), id="nothing to compare"),
    ],
)  # fmt: skip
def test_two_records_agree_field_by_field(
    one: tuple[str, str], other: tuple[str, str], levels: tuple[Level, ...]
) -> None:
    a, b = (prepare(PERSON, "x", {"first": first, "last": last, "fax": "0"}) for first, last in (one, other))
    assert Comparison(PERSON).pattern(a, b) == levels
    assert Comparison(PERSON).pattern(b, a) == levels


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ([{"name": "a", "kind": "text"}, {"name": "a", "kind": "name"}], "compared twice: a"),
        ([{"name": "a", "kind": "text", "also_in": ["b"]}], "not compared: b"),
        ([], "at least 1 item"),
    ],
)
def test_fields_that_make_no_sense_are_refused(fields: list[dict[str, str]], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Fields.model_validate({"compared": fields})


def test_what_a_model_was_made_for_is_known_by_its_fields() -> None:
    fewer = Fields(compared=PERSON.compared[:2])
    assert PERSON.fingerprint == Fields(compared=PERSON.compared).fingerprint != fewer.fingerprint
