"""Whether a new record is one that is there already."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.sameness import Identity, Known, Sameness, Verdict, blocking_keys, compare, identity_of, sameness

JULIA = Identity(
    email="julia.weber@nordlager.example", phone="+494066969120", name="Julia Weber", company="Nordlager GmbH"
)

NAMES = st.sampled_from(
    ["Julia Weber", "Weber Julia", "J. Weber", "Jon Berg", "Anna Müller", "Hanna Mueller", "", "Li"]
)
IDENTITIES = st.builds(
    Identity,
    email=st.sampled_from(["", "a@x.example", "A@x.example", "b@x.example"]),
    phone=st.sampled_from(["", "+494066969120", "+494066969121"]),
    name=NAMES | st.text(max_size=20),
    company=st.sampled_from(["", "Nordlager GmbH", "Nordlager", "Südlager AG"]) | st.text(max_size=20),
)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        pytest.param({}, Verdict.SAME, id="identical"),
        pytest.param({"name": "Weber, Julia"}, Verdict.SAME, id="the name in another order"),
        pytest.param({"name": "Julia Webre"}, Verdict.SAME, id="a typing error in the name"),
        pytest.param({"email": "Julia.Weber@Nordlager.example"}, Verdict.SAME, id="capitals in the address"),
        pytest.param({"phone": "", "company": ""}, Verdict.SAME, id="the same address, and nothing against it"),
        pytest.param({"name": ""}, Verdict.SAME, id="the same address without a name"),
        pytest.param({"email": ""}, Verdict.SAME, id="no address, the same name and telephone"),
        pytest.param({"name": "Omar Haddad"}, Verdict.ASK_PERSON, id="another name at the same address"),
        pytest.param({"email": "jw@postfach.example"}, Verdict.ASK_PERSON, id="another address, else the same"),
        pytest.param({"email": "", "phone": ""}, Verdict.ASK_PERSON, id="the same name at one company"),
        pytest.param({"email": "", "name": "J. Weber"}, Verdict.ASK_PERSON, id="an initial and the telephone"),
        pytest.param({"email": "", "name": "Julian Weber"}, Verdict.ASK_PERSON, id="a name like it, and the telephone"),
        pytest.param({"email": "o.haddad@nordlager.example", "name": "Omar Haddad"}, Verdict.DIFFERENT,
                     id="a colleague at the same switchboard"),
        pytest.param({"email": "jw@x.example", "phone": "", "company": "Südlager AG"}, Verdict.DIFFERENT,
                     id="the same name at another company"),
    ],
)  # fmt: skip
def test_two_records_are_the_same_different_or_a_question(changes: dict[str, str], verdict: Verdict) -> None:
    assert compare(JULIA, JULIA.model_copy(update=changes)) is verdict


@given(IDENTITIES, IDENTITIES)
def test_the_order_of_two_records_does_not_matter(one: Identity, other: Identity) -> None:
    assert compare(one, other) is compare(other, one)


@given(IDENTITIES)
def test_a_record_is_the_same_as_itself_where_anything_tells_it(one: Identity) -> None:
    assume(one.email or (one.phone and any(map(str.isalnum, one.name))))
    assert compare(one, one) is Verdict.SAME


@given(st.sampled_from(["Katharina", "Benjamin", "Mohammed", "Charlotte"]), st.integers(1, 6))
def test_two_letters_exchanged_in_a_name_change_nothing_at_the_same_address(first: str, at: int) -> None:
    slip = first[:at] + first[at + 1] + first[at] + first[at + 2 :]
    one, other = (JULIA.model_copy(update={"name": f"{name} Weber"}) for name in (first, slip))
    assert compare(one, other) is Verdict.SAME


@given(st.permutations(["Julia Weber", "Omar Haddad", "Chen Li", "Sofia Rossi", "Peter Kowalski"]))
def test_different_people_at_one_company_are_never_merged(people: list[str]) -> None:
    known = [
        Known(external_id=name, identity=Identity(name=name, phone="+494066969120", company="Nordlager GmbH"))
        for name in people[1:]
    ]
    new = Identity(name=people[0], phone="+494066969120", company="Nordlager GmbH")
    assert sameness(new, known) == Sameness(verdict=Verdict.DIFFERENT)


def test_one_record_that_is_the_same_is_named() -> None:
    known = [Known(external_id="7", identity=JULIA), Known(external_id="8", identity=Identity(name="Omar Haddad"))]
    assert sameness(JULIA, known) == Sameness(verdict=Verdict.SAME, same_as=("7",))


def test_two_records_that_are_both_the_same_are_a_question() -> None:
    known = [Known(external_id=number, identity=JULIA) for number in ("8", "7")]
    assert sameness(JULIA, known) == Sameness(verdict=Verdict.ASK_PERSON, same_as=("7", "8"))


def test_what_shares_no_blocking_key_is_not_compared() -> None:
    assert sameness(JULIA, [Known(external_id="1", identity=Identity(company="Nordlager GmbH"))]).same_as == ()
    assert blocking_keys(Identity(name="Jürgen Groß")) == blocking_keys(Identity(name="Gross, Juergen"))


def test_a_record_with_nothing_that_tells_a_person_is_different_from_all() -> None:
    assert sameness(Identity(), [Known(external_id="1", identity=JULIA)]).verdict is Verdict.DIFFERENT


def test_an_identity_is_made_of_a_records_values_by_name() -> None:
    assert identity_of({"name": "Julia Weber", "queue": "sales", "phone": ""}) == Identity(name="Julia Weber")
