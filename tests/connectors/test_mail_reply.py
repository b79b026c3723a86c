"""What a sender wrote now, told from what they quote, forward and sign with, in English and German."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mail.reply import LONGEST_TAKEN_APART, taken_apart

NEW = "The second invoice is wrong.\n\nPlease correct it."
NEU = "Die zweite Rechnung ist falsch.\n\nBitte korrigieren."
FORWARDED = "we need 40 scanners by May. Call me: +49 30 1234567\n\nJane Doe\nACME GmbH"


def text_of(mail: str, subject: str = "Re: Invoice") -> str:
    return taken_apart(mail, subject).text


@pytest.mark.parametrize(
    ("new", "quoted"),
    [
        (NEW, "On Mon, Mar 2, 2026 at 10:00 AM Support <support@example.com> wrote:\n> old\n> words"),
        (NEW, "On Mon, Mar 2, 2026 at 10:00 AM Support\n<support@example.com> wrote:\n\n> old"),
        (NEW, "On 2 Mar 2026, at 10:00, Support <support@example.com> wrote:\n\nold words, not marked"),
        (NEW, "Support <support@example.com> wrote on 2 March:\n> old"),
        (NEW, "-----Original Message-----\nFrom: Support\nSent: Monday\nTo: Ann\nSubject: Invoice\n\nold"),
        (NEW, f"{'_' * 32}\nFrom: Support <s@example.com>\nSent: 2 March\nTo: Ann\nSubject: Invoice\n\nold"),
        (NEW, "From: Support <s@example.com>\nDate: Monday\nSubject: Invoice\n\nold"),
        (NEW, "*From:* Support\n*Sent:* Monday\n*To:* Ann\n*Subject:* Invoice\n\nold"),
        (NEU, "Am 02.03.2026 um 10:00 schrieb Support <support@example.com>:\n> alt\n> alt"),
        (NEU, "Am Mo., 2. März 2026 um 10:00 Uhr schrieb Support <\nsupport@example.com>:\n\n> alt"),
        (NEU, "Support schrieb am 02.03.2026 10:00:\n> alt"),
        (NEU, "-----Ursprüngliche Nachricht-----\nVon: Support\nGesendet: Montag\nAn: Ann\nBetreff: Rechnung\n\nalt"),
        (NEU, "Von: Support <s@example.com>\nGesendet: Montag, 2. März 2026\nAn: Ann\nBetreff: Rechnung\n\nalt"),
        (NEW, "> old\n> words"),
    ],
)
def test_an_answer_above_the_quoted_mail_is_the_text(new, quoted):
    found = taken_apart(f"{new}\n\n{quoted}\n", "Re: Invoice")
    assert found.text == new
    assert found.quoted.splitlines()[-1] == quoted.splitlines()[-1]


def test_answers_below_and_between_quoted_lines_are_the_text():
    mail = (
        "On Mon, 2 Mar 2026 Support wrote:\n> How many?\nForty.\n\n> By when?\n>\n> Regards\nBy May.\n\n"
        "Best regards\nAnn"
    )
    found = taken_apart(mail, "Re: Offer")
    assert found.text == "Forty.\n\nBy May."
    assert found.signature == "Best regards\nAnn"
    assert "> By when?" in found.quoted


@pytest.mark.parametrize(
    "words",
    [
        "and then Ann wrote:\nnothing at all",
        "We ship as follows:\nFrom: Berlin\nTo: Munich\nDate: 3 May",
        "- one scanner\n- two printers\n-- three docks",
        "Thanks, that worked. But the second invoice is wrong.",
        "Thank you\nThe printer is broken again since Monday.",
        "Danke\nleider geht der Drucker immer noch nicht",
        "Best price for 500 scanners?",
        "Von Ihnen habe ich nichts gehört.",
    ],
)
def test_what_only_looks_like_a_border_stays_text(words):
    found = taken_apart(f"Hello,\n\n{words}", "Question")
    assert found.text == f"Hello,\n\n{words}"
    assert (found.signature, found.quoted) == ("", "")


@pytest.mark.parametrize(
    "signature",
    [
        "Best regards\nAnn Smith\nACME Ltd\nPhone +44 20 7946 0000",
        "Kind regards,\n\nAnn Smith | Head of Operations\nann@example.com",
        "Thanks,\nAnn",
        "Thanks and regards\nAnn",
        "Cheers!\nAnn",
        "Mit freundlichen Grüßen\n\ni. A. Ann Schmidt\nTel. 030 1234567",
        "Viele Grüße aus Köln\nAnn",
        "Mit besten Grüßen\nAnn Schmidt",
        "MfG\nAnn Schmidt",
        "Vielen Dank und viele Grüße\nAnn",
        "--\nAnn Smith\nwww.example.com",
        "Sent from my iPhone",
        "Von meinem iPhone gesendet",
        "Gesendet von Outlook für iOS",
        "Get Outlook for iOS<https://example.com>",
    ],
)
def test_a_signature_is_kept_apart(signature):
    found = taken_apart(f"{NEW}\n\n{signature}", "Invoice")
    assert (found.text, found.signature) == (NEW, signature)


def test_a_postscript_below_the_signature_is_text():
    found = taken_apart(f"{NEW}\n\nBest\nAnn Smith\n\nP.S. The number is 4711.", "Invoice")
    assert found.text == f"{NEW}\n\nP.S. The number is 4711."
    assert found.signature == "Best\nAnn Smith"


@pytest.mark.parametrize(
    ("subject", "border"),
    [
        (
            "Fwd: Scanners",
            "---------- Forwarded message ---------\nFrom: Jane Doe <jane@acme.example>\nDate: Mon\nSubject: Scanners",
        ),
        (
            "Scanners",
            "Begin forwarded message:\n\nFrom: Jane Doe <jane@acme.example>\nSubject: Scanners\nTo: a@b.example",
        ),
        (
            "FW: Scanners",
            "From: Jane Doe <jane@acme.example>\nSent: Monday\nTo: Ann\nSubject: Scanners",
        ),
        (
            "WG: Scanner",
            "---- Originalnachricht ----\nVon: Jane Doe [mailto:jane@acme.example]\nGesendet: Mo\nBetreff: Scanner",
        ),
        (
            "Fwd: Scanner",
            "---- Weitergeleitete Nachricht ----\nBetreff: Scanner\nDatum: Mo\nVon: Jane Doe <jane@acme.example>",
        ),
        (
            "Re: Scanner",
            "Anfang der weitergeleiteten Nachricht:\n\nVon:\nJane Doe <jane@acme.example>\nBetreff: Scanner",
        ),
    ],
)
def test_what_is_forwarded_is_kept_for_it_is_what_the_sender_wants_handled(subject, border):
    mail = f"Please handle this.\n\nBest\nTom Miller\n\n{border}\n\nHello,\n\n{FORWARDED}\n"
    found = taken_apart(mail, subject)
    assert found.text.startswith("Please handle this.\n\n")
    assert found.text.endswith(f"Hello,\n\n{FORWARDED}")
    assert found.signature == "Best\nTom Miller"
    assert (found.forwarded_from.name, found.forwarded_from.email) == ("Jane Doe", "jane@acme.example")


def test_a_forwarded_mail_loses_the_marks_that_a_mail_program_gave_it():
    mail = (
        "Begin forwarded message:\n\n> From: Jane Doe <jane@acme.example>\n> Subject: Scanners\n>\n> Hello,\n> forty\n"
    )
    found = taken_apart(mail, "Fwd: Scanners")
    assert found.text.endswith("Subject: Scanners\n\nHello,\nforty")
    assert found.forwarded_from.email == "jane@acme.example"


def test_an_answer_to_a_forwarded_mail_forwards_nothing():
    mail = f"{NEW}\n\nOn Mon, 2 Mar 2026 Tom wrote:\n> ---------- Forwarded message ---------\n> From: Jane\n> old"
    assert text_of(mail, "Re: Fwd: Scanners") == NEW


@pytest.mark.parametrize(
    ("mail", "text"),
    [
        ("> only\n> quoted", "only\nquoted"),
        ("From: Jane <j@example.com>\nSent: Monday\nSubject: Scanners\n\nHello", None),
        ("Thanks,\nAnn", "Thanks,\nAnn"),
        ("Thanks,\nAnn\n\nOn Mon, 2 Mar 2026 Tom wrote:\n> old", "Thanks,\nAnn"),
        ("--\nAnn Smith", "--\nAnn Smith"),
    ],
)
def test_nothing_is_cut_down_to_nothing(mail, text):
    assert text_of(mail) == (text or mail)


def test_a_text_beyond_all_measure_stays_whole():
    mail = "x\n" * LONGEST_TAKEN_APART + "> quoted"
    assert text_of(mail) == mail


@given(
    st.lists(
        st.sampled_from(
            [
                "hello",
                "> quoted",
                "On 2 March Ann wrote:",
                "Best regards",
                "Ann",
                "--",
                "",
                "From: a@b.example",
                "Subject: a",
                "To: b",
                "---------- Forwarded message ---------",
                "P.S. one",
                "Fwd: x",
            ]
        )
        | st.text()
    ),
    st.sampled_from(["Re: a", "Fwd: a", ""]),
)
def test_every_line_is_in_the_text_the_signature_or_the_quoted_part(lines, subject):
    mail = "\n".join(lines)
    found = taken_apart(mail, subject)
    assert bool(found.text) == bool(mail.replace("\xa0", " ").strip().strip("> \n")) or ">" in mail
    kept = f"{found.text}\n{found.signature}\n{found.quoted}"
    for line in mail.replace("\xa0", " ").split("\n"):
        assert line.strip().lstrip("> ").strip() in kept
