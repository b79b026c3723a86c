"""What the deterministic extractors take from a mail, and what they leave."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.extractors.guard import judged
from connectors.extractors.parts import Kind, split
from connectors.extractors.patterns import find
from connectors.extractors.senders import read
from connectors.extractors.trust import OBSERVED, confidence
from domain.extraction import By, Found, Ground, Quoted
from policies.extract import About, Wanted
from policies.fields import Conventions, FieldType
from policies.load import load_policy

DATA = Path(__file__).parents[2] / "evals" / "data"
POLICY = load_policy(DATA / "extraction.yaml")
assert POLICY.extract is not None
EXTRACT, KINDS = POLICY.extract, POLICY.input.fields

FORWARDED = """\
FYI
---------- Forwarded message ---------
From: Priya Raman <priya@coastline.example>
Date: Tue, Mar 3, 2026
To: tom@lagerwerk.example

Please call me: +12125550143

Regards
Priya Raman
Coastline Inc.
"""
REPLY = """\
That works.
Julia Weber
julia@nordlager.example

On Tue, Mar 3, 2026 Tom Baker <tom@elsewhere.example> wrote:
> The order total is 500 EUR for SO-123456.
> Tom Baker, Elsewhere Ltd, +44 20 7946 0118
"""


def sure(text: str, **given: str) -> dict[str, str]:
    wanted = [name for name in EXTRACT.fields if name not in given]
    found, _ = find(text, wanted, EXTRACT, KINDS, POLICY.input.conventions, given)
    return {name: one.value for name, one in found.items() if one.confidence >= EXTRACT.threshold}


def meant(text: str) -> dict[str, str]:
    """What is found and stands alone on its ground, be it too unsure to be written."""
    found, _ = find(text, list(EXTRACT.fields), EXTRACT, KINDS, POLICY.input.conventions, {})
    return {name: one.value for name, one in found.items() if one.ground not in (Ground.UNPLACED, Ground.SEVERAL)}


def test_a_mail_is_split_into_what_its_sender_wrote_what_is_forwarded_and_what_is_quoted() -> None:
    assert [part.kind for part in split(FORWARDED)] == [Kind.OWN, Kind.FORWARDED]
    assert [part.kind for part in split(REPLY)] == [Kind.OWN, Kind.QUOTED]
    assert [part.kind for part in split("> old\nnew\n> old")] == [Kind.OWN, Kind.QUOTED, Kind.OWN, Kind.QUOTED]


def test_of_a_mail_that_is_only_passed_on_its_author_is_the_sender() -> None:
    found = sure(FORWARDED)
    assert found["name"] == "Priya Raman"
    assert (found["email"], found["phone"]) == ("priya@coastline.example", "+12125550143")
    assert found["company"] == "Coastline Inc."


def test_of_a_quoted_mail_only_what_has_a_form_of_its_own_is_taken() -> None:
    assert sure(REPLY) == {"name": "Julia Weber", "email": "julia@nordlager.example", "order_number": "SO-123456"}


def test_where_two_people_could_be_the_sender_nobody_is() -> None:
    elsewhere = FORWARDED.replace("tom@lagerwerk.example", "tom@elsewhere.example")
    assert sure(elsewhere.replace("FYI", "For you.\n\nBest regards\nTom Baker")).keys().isdisjoint({"name", "phone"})


def test_who_forwards_from_our_own_house_is_not_the_sender() -> None:
    own = "For you.\n\nBest regards\nTom Baker\ntom@lagerwerk.example\n+44 20 7946 0118"
    assert sure(FORWARDED.replace("FYI", own))["name"] == "Priya Raman"


@pytest.mark.parametrize(
    ("own", "header"),
    [
        pytest.param("Regards\nTom Baker\n+44 20 7946 0118", "To: tom@lagerwerk.example", id="it came to our house"),
        pytest.param("Regards\nTom Baker\nLagerwerk Software GmbH\n+44 20 7946 0118", "To: Tom", id="our company"),
    ],
)
def test_who_forwards_under_a_signature_without_an_address_is_not_the_sender(own: str, header: str) -> None:
    found = sure(FORWARDED.replace("FYI", f"For you.\n\n{own}").replace("To: tom@lagerwerk.example", header))
    assert (found["name"], found["phone"], found["company"]) == ("Priya Raman", "+12125550143", "Coastline Inc.")


def test_who_writes_for_our_own_house_is_not_the_sender() -> None:
    assert sure("FYI\n\nRegards\nTom Baker\nLagerwerk Software GmbH\n+44 20 7946 0118") == {}


@pytest.mark.parametrize(
    "header",
    [
        "Da: Ann Lee <ann@lee.example>\nInviato: oggi\nA: tom@lagerwerk.example\nOggetto: x",
        "De: Ann Lee <ann@lee.example>\nEnviado el: hoy\nPara: tom@lagerwerk.example\nAsunto: x",
        "Van: Ann Lee <ann@lee.example>\nVerzonden: nu\nAan: tom@lagerwerk.example\nOnderwerp: x",
        "Od: Ann Lee <ann@lee.example>\nWysłano: dziś\nDo: tom@lagerwerk.example\nTemat: x",
    ],
)
def test_what_is_forwarded_is_known_by_its_header_in_other_languages(header: str) -> None:
    found = sure(f"Fwd: x\nFYI, Tom\n\n{header}\n\nx\n\nAnn Lee\nLee Ltd\n")
    assert (found["name"], found["email"], found["company"]) == ("Ann Lee", "ann@lee.example", "Lee Ltd")


def test_the_address_that_came_in_by_itself_tells_whose_words_count() -> None:
    own = "Hi\n\nBest regards\nTom Baker\ntom@elsewhere.example"
    assert sure(FORWARDED.replace("FYI", own), email="priya@coastline.example")["name"] == "Priya Raman"


@pytest.mark.parametrize(
    ("said", "phone"),
    [
        pytest.param("Rufen Sie mich an: 040 66969120", "+494066969120", id="the sender's own"),
        pytest.param("Tel 040 66969120\nFax 040 66969199", "+494066969120", id="no fax"),
        pytest.param("Tel 040 66969120\nann.0895760149@example.com", "+494066969120", id="no part of an address"),
        pytest.param(
            "unser IT-Dienstleister (Herr Yilmaz, Tel. 0421 498 1200)", None, id="somebody who is named with it"
        ),
        pytest.param("Mein Fahrer: 040 66969120", None, id="the driver's"),
        pytest.param("Frau Ebert (040 66969120) hilft", None, id="somebody who is named"),
        pytest.param("Rechnung 4066969120 fehlt", None, id="an invoice"),
        pytest.param("meine alte Nummer 040 66969120", None, id="an old one"),
        pytest.param("bitte nicht die 040 66969120", None, id="one that is refused"),
        pytest.param("You can call me at 040 66969120", None, id="a national number in another country's language"),
        pytest.param("we are based in France, call me 01 99 00 15 22", "+33199001522", id="as the sender's country"),
        pytest.param("Tel 040 66969120\nTel 040 66969121", None, id="two that fit equally"),
        pytest.param("Tel: 040 66969-0, Durchwahl: 040 66969-120", "+494066969120", id="their own of a switchboard's"),
        pytest.param("Telefon: 040 66969-0, Durchwahl -120", None, id="a switchboard's, with one of their own"),
        pytest.param("Fax-Nr. für Rückfragen: 040 66969120", None, id="a fax with words between"),
        pytest.param("Dial in: 040 66969120", None, id="a conference's"),
        pytest.param("Spedition, z.Hd. Herrn Gollnick, Hafenstr. 9, Tel. 040 66969120", None, id="at an address"),
        pytest.param("Fragen an Herrn Ralf Immel, r.immel@immel.example, Tel. 040 66969120", None, id="a deputy's"),
        pytest.param("Lieferadresse:\nLager Nord\nTel. 040 66969120", None, id="the address of delivery"),
        pytest.param("vorrei un lettore, grazie: 051 555 0144", None, id="another language's"),
        pytest.param("Mijn collega: 040 66969120", None, id="a colleague's"),
        pytest.param("Das Budget ist CHF 4500.\nTel 033 555 01 77", None, id="another country's currency"),
    ],
)
def test_a_phone_number_is_the_senders_or_left(said: str, phone: str | None) -> None:
    assert sure(f"Guten Tag,\n{said}\n").get("phone") == phone


@pytest.mark.parametrize(
    ("said", "amount"),
    [
        pytest.param("our budget is 12k EUR", "12000.00 EUR", id="beside a cue"),
        pytest.param("it costs 12k EUR", None, id="without a cue"),
        pytest.param("budget 10-15k EUR", None, id="a range"),
        pytest.param("budget between 10k EUR and 15k EUR", None, id="a range in words"),
        pytest.param("budget: more than 10k EUR", None, id="a lower limit"),
        pytest.param("total 49 EUR per seat", None, id="a unit's price"),
        pytest.param("Budget: 1.234,50 €", "1234.50 EUR", id="with a label"),
        pytest.param("our 2025 budget was 12k EUR; now 9k EUR are left", None, id="last year's"),
        pytest.param("the total is now 12k EUR (was 9k EUR)", "12000.00 EUR", id="with what it replaces"),
        pytest.param("gesamt 12k EUR statt 15k EUR", "12000.00 EUR", id="with what it was before"),
        pytest.param("the order total was 12k EUR", "12000.00 EUR", id="in the past tense"),
        pytest.param("Budget: open\nNote: we spent 18k EUR in 2023", None, id="below a label with a value of its own"),
    ],
)
def test_an_amount_is_the_one_that_is_meant_or_left(said: str, amount: str | None) -> None:
    assert meant(said).get("amount") == amount


@pytest.mark.parametrize(
    ("said", "employees"),
    [
        pytest.param("we have 38 employees", "38", id="by us"),
        pytest.param("Coastline Foods has 1,200 employees", "1200", id="of a name"),
        pytest.param("Drewnomax S.A. (410 employees) asks", "410", id="behind a company"),
        pytest.param("Size: 26 people", "26", id="alone on its line"),
        pytest.param("we have 3 paid staff and 120 volunteers", "3", id="not the other kind's"),
        pytest.param("Our client is big. Roughly 900 staff there.", None, id="a client's"),
        pytest.param("I led 45 people at Norvik Freight AS", None, id="a former employer's"),
        pytest.param("unsere Mutter, die Brandmeier SE, hat 4.000 Mitarbeiter", None, id="the parent's"),
        pytest.param("wir wünschen eine Schulung für 6 Mitarbeiter", None, id="some of them"),
        pytest.param("Impact: 40 people cannot work", None, id="nobody's"),
        pytest.param("wir haben dreißig Mitarbeiter und möchten 15.000 EUR ausgeben", None, id="an amount"),
        pytest.param("1) Mitarbeiter: wachsend", None, id="a point of a list"),
        pytest.param("wir sind nicht 200, sondern weniger Mitarbeiter", None, id="one that is denied"),
        pytest.param("ann@lee.example | 0161 496 0444\nPart of Lee Ltd (employees)", None, id="a phone number's end"),
        pytest.param("nach acht Jahren bei der Nordlicht GmbH (600 Mitarbeiter)", None, id="a former house's"),
        pytest.param("Mitarbeiter: von 140 auf 165", None, id="a growth"),
    ],
)
def test_a_headcount_is_that_of_all_of_the_senders_house_or_left(said: str, employees: str | None) -> None:
    assert meant(said).get("employees") == employees


@pytest.mark.parametrize(
    ("said", "day"),
    [
        pytest.param("deliver by 18.05.2026", "2026-05-18", id="a wish"),
        pytest.param("Delivery moved from 04.05.2026 to 18.05.2026", None, id="a move"),
        pytest.param("bitte am Freitag liefern statt erst am 22. Mai 2026", None, id="what is refused"),
        pytest.param("it was delivered on 3 March 2026", None, id="the past"),
        pytest.param("Lieferung frühestens ab 05.05.2026", None, id="the earliest day"),
        pytest.param("Lieferung laut Angebot vom 05.05.2026", None, id="an offer's day"),
    ],
)
def test_a_day_of_delivery_is_the_one_that_is_wished_or_left(said: str, day: str | None) -> None:
    assert meant(said).get("deliver_by") == day


@pytest.mark.parametrize(
    ("said", "field", "value"),
    [
        pytest.param("our budget is 12k EUR", "amount", "12000.00 EUR", id="an amount beside a cue"),
        pytest.param("we have 38 employees", "employees", "38", id="a count beside a cue"),
        pytest.param("deliver by 18.05.2026", "deliver_by", "2026-05-18", id="a day beside a cue"),
        pytest.param("I work at Lee Ltd and ask", "company", "Lee Ltd", id="a company within a sentence"),
        pytest.param("it is SO-090909", "order_number", "SO-090909", id="an order alone"),
        pytest.param("same again (last order (SO-090909))", "order_number", "SO-090909", id="an order in brackets"),
    ],
)
def test_what_its_kind_of_evidence_does_not_bear_out_is_offered_and_not_written(
    said: str, field: str, value: str
) -> None:
    assert meant(said)[field] == value
    assert field not in sure(said)


def test_what_a_label_names_is_written() -> None:
    assert sure("Employees: 38\nBudget: 12k EUR\nCompany: Lee Ltd") == {
        "employees": "38",
        "amount": "12000.00 EUR",
        "company": "Lee Ltd",
    }


@pytest.mark.parametrize(("kind", "ground"), sorted(OBSERVED))
def test_a_kind_of_evidence_is_written_only_where_it_was_borne_out(kind: FieldType, ground: Ground) -> None:
    share = confidence(kind)[ground]
    assert share == OBSERVED[kind, ground]
    assert (share >= EXTRACT.threshold) == ((kind, ground) == (FieldType.TEXT, Ground.CUED))


def test_of_two_orders_none_is_taken_though_one_stands_beside_a_cue() -> None:
    assert "order_number" not in meant("please cancel order SO-090909; SO-090910 stands")


def test_an_order_that_a_message_only_compares_with_is_not_its_own() -> None:
    assert "order_number" not in meant("20 Rollen, wie letztes Mal (SO-090909)")
    assert sure("where is my last order SO-090909?")["order_number"] == "SO-090909"


@pytest.mark.parametrize(
    ("signed", "name"),
    [
        pytest.param("Gruß Thorsten Birkenfeld, Birkenfeld Teile", "Thorsten Birkenfeld", id="behind the closing"),
        pytest.param("Groetjes Joost", None, id="half a name"),
        pytest.param("Viele Grüße\nApotheker Konstantin Ruhland", None, id="with a profession"),
        pytest.param("Viele Grüße\nSenior Buyer", None, id="a function"),
        pytest.param("Cordialement\nDUPONT Marie", None, id="the family's first"),
        pytest.param("Grüße\nAnna Keller\ninfo@anna-keller.example", None, id="perhaps the company's"),
        pytest.param("Nom : TREMBLAY", None, id="a form's family name"),
        pytest.param(
            "Cordiali saluti\nRossi Carlo\nc.rossi@rossi.example", None, id="the family's first by the address"
        ),
        pytest.param("Alles Gute\nAnna Keller", "Anna Keller", id="behind another closing"),
        pytest.param("Frohes Schaffen\nAnna Keller", None, id="behind one that may be a name"),
        pytest.param(
            "Frohes Schaffen\nAnna Keller\na.keller@lee.example", "Anna Keller", id="as the address spells it"
        ),
        pytest.param("Grüße\nDas Sekretariat", None, id="an article"),
        pytest.param("Grüße\nDI Valentin Huber", None, id="a title"),
    ],
)
def test_a_name_is_whole_and_a_persons_or_left(signed: str, name: str | None) -> None:
    found = sure(f"Hallo\n\n{signed}\n")
    assert found.get("name") == name
    assert "company" not in found


@pytest.mark.parametrize(
    ("signed", "company"),
    [
        pytest.param("MOORBAU GmbH u. Co. KG", "MOORBAU GmbH u. Co. KG", id="a form of two parts"),
        pytest.param("Recambios Ebro, S.L.U.", "Recambios Ebro, S.L.U.", id="a form behind a comma"),
        pytest.param("Järvinen Kala Oy Ab", "Järvinen Kala Oy Ab", id="a form in two languages"),
        pytest.param("Varga Papír Kft.", "Varga Papír Kft.", id="a form with a full stop"),
        pytest.param("Stotz Naturkost e. K.", "Stotz Naturkost e. K.", id="a form of two letters"),
        pytest.param("Atelier d'Aubigny SAS", "Atelier d'Aubigny SAS", id="an elision"),
        pytest.param("Crombie Feeds (Scotland) Ltd", "Crombie Feeds (Scotland) Ltd", id="a bracket"),
        pytest.param("Ihre Gebrüder Mattern GmbH", None, id="behind a pronoun"),
        pytest.param("Aceites Belmonte S. Coop.", "Aceites Belmonte S. Coop.", id="a cooperative"),
        pytest.param("Ostrowski Stal Sp. z o.o. Sp.k.", "Ostrowski Stal Sp. z o.o. Sp.k.", id="a form within a form"),
        pytest.param("Lagerwerk Software GmbH", None, id="our own"),
        pytest.param("Haus am Markt GmbH", None, id="a name that would lose its beginning"),
        pytest.param("Tafelberg Ltd & Co. Partners", None, id="a form that goes on"),
        pytest.param("Ship to:\nRasch GmbH", None, id="the address of delivery"),
    ],
)
def test_a_company_is_taken_whole_or_left(signed: str, company: str | None) -> None:
    assert sure(f"Hallo\n\nbitte\n\nViele Grüße\nAnna Weber\n{signed}\n").get("company") == company


@pytest.mark.parametrize(
    ("signed", "country"),
    [
        pytest.param("B-2026 Antwerpen", "BE", id="before a town"),
        pytest.param("Bestellung B-2026-0911", None, id="in another number"),
        pytest.param("Atlanta, Georgia", None, id="a state"),
        pytest.param("Ship to:\nHafenstr. 9\nFrance", None, id="the address of delivery"),
    ],
)
def test_a_country_is_the_senders_or_left(signed: str, country: str | None) -> None:
    assert sure(f"Hello\n\nplease\n\nRegards\nAnna Weber\n{signed}\n").get("country") == country


def test_a_company_loses_the_full_stop_of_its_sentence() -> None:
    assert meant("I write on behalf of Pennant Packaging Ltd. Invoice 5 is due.")["company"] == "Pennant Packaging Ltd"
    assert meant("I work at Coastline Inc. We ask.")["company"] == "Coastline Inc."


def test_in_a_chat_nobody_is_the_sender() -> None:
    talk = "[10:02] Visitor: hi\n[10:03] Agent: your name?\n[10:04] Visitor: Ann Lee\n[10:05] Agent: Tel 040 66969120"
    assert sure(talk) == {}


def test_in_a_form_with_an_address_of_delivery_the_buyers_lines_count() -> None:
    blocks = "Ship to:\nName: Uwe Goll\nPhone: +494066969777\n\nBuyer: Ann Lee\nPhone: +494066969778\n"
    found = sure(blocks)
    assert (found["name"], found["phone"]) == ("Ann Lee", "+494066969778")


def test_each_value_has_the_place_where_it_stands() -> None:
    found, mail = find(REPLY, ["email", "order_number"], EXTRACT, KINDS, POLICY.input.conventions, {})
    assert {name: mail.text[one.start : one.end] for name, one in found.items()} == {
        "email": "julia@nordlager.example",
        "order_number": "SO-123456",
    }


@given(st.text(st.sampled_from(list("Ab1 .,@:>+-()\n€")) | st.characters(), max_size=300))
def test_no_text_is_too_strange_to_be_looked_through(text: str) -> None:
    found, _ = find(text, list(EXTRACT.fields), EXTRACT, KINDS, POLICY.input.conventions, {})
    for one in found.values():
        assert one.start is not None
        assert one.end is not None
        assert 0 <= one.start < one.end <= len(text)


COMPANY = Wanted(description="the sender's company")
AMOUNT = Wanted(description="the order's total", about=About.MESSAGE)
ORDER = Wanted(description="the order's number", about=About.MESSAGE, pattern=r"SO-\d{6}")


@pytest.mark.parametrize(
    ("kind", "wanted", "value", "quote", "verdict"),
    [
        pytest.param(FieldType.EMAIL, COMPANY, "julia@nordlager.example", "julia@nordlager.example",
                     "julia@nordlager.example", id="what stands there"),
        pytest.param(FieldType.NAME, COMPANY, "JULIA WEBER", "Julia  Weber", "Julia Weber", id="in other letters"),
        pytest.param(FieldType.MONEY, AMOUNT, "500.00 EUR", "total is 500 EUR", "500.00 EUR", id="normalised"),
        pytest.param(FieldType.NAME, COMPANY, "Tom Baker", "Tom Baker", "somebody else's, not the sender's own",
                     id="a person who is quoted"),
        pytest.param(FieldType.COMPANY, COMPANY, "Hacked GmbH", "Hacked GmbH",
                     "the quote is not in the message, or the value is not in the quote", id="an invention"),
        pytest.param(FieldType.EMAIL, COMPANY, "julia@", "julia@", "the value is no email that can be read",
                     id="malformed"),
        pytest.param(FieldType.TEXT, ORDER, "500", "500 EUR", "the value is not of the form that this field has",
                     id="not of the pattern"),
    ],
)  # fmt: skip
def test_a_models_word_is_taken_where_the_text_bears_it_out(
    kind: FieldType, wanted: Wanted, value: str, quote: str, verdict: str
) -> None:
    said = Quoted(value=value, quote=quote, confidence=0.9)
    found = judged(read(REPLY, ()), kind, wanted, Conventions("DE"), said)
    assert (found.value if isinstance(found, Found) else found) == verdict


def test_a_models_word_without_log_probabilities_is_never_sure() -> None:
    found = judged(
        read(REPLY, ()), FieldType.NAME, COMPANY, Conventions(), Quoted(value="Julia Weber", quote="Julia Weber")
    )
    assert isinstance(found, Found)
    assert (found.by, found.ground, found.confidence < EXTRACT.threshold) == (By.MODEL, Ground.UNSTATED, True)


@given(st.text(max_size=40), st.text(max_size=40))
def test_nothing_that_a_model_invents_is_ever_taken(value: str, quote: str) -> None:
    found = judged(read(REPLY, ()), FieldType.COMPANY, COMPANY, Conventions(), Quoted(value=value, quote=quote))
    if isinstance(found, Found):
        assert found.value.casefold() in REPLY.casefold()
