"""What `read_mail` makes of mails: who wrote what, in any charset and form, and never an exception."""

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.mail.message import LARGEST_MAIL, MOST_LISTED, read_mail
from connectors.ports import Arrival, Unreadable

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

MAIL = """\
From: Ann Smith <ann@example.com>
To: help@example.com, Sales <sales@example.com>
Subject: Invoice
Date: Mon, 02 Mar 2026 10:00:00 +0100
Message-ID: <42@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: 8bit

The invoice is wrong.
"""


def without(header: str) -> str:
    """The mail without one of its headers."""
    return "".join(line for line in MAIL.splitlines(keepends=True) if not line.startswith(f"{header}:"))


def instead(header: str, value: str) -> str:
    """The mail with another value of a header."""
    return f"{header}: {value}\n{without(header)}"


def arrival(mail: str | bytes | EmailMessage) -> Arrival:
    raw = mail.as_bytes() if isinstance(mail, EmailMessage) else mail.encode() if isinstance(mail, str) else mail
    found = read_mail(raw, "box:1", NOW)
    assert isinstance(found, Arrival), found
    return found


def fields(mail: str | bytes | EmailMessage) -> dict[str, str]:
    return arrival(mail).fields


def saying(text: str, subject: str = "Hello") -> dict[str, str]:
    """The fields of a plain mail with this text."""
    return fields(f"From: ann@example.com\nSubject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{text}")


class TestHeaders:
    def test_a_plain_mail_is_an_arrival_of_who_wrote_what_to_whom(self):
        assert arrival(MAIL) == Arrival(
            where="box:1",
            source="mail",
            external_id=arrival(MAIL).external_id,
            received_at=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
            fields={
                "subject": "Invoice",
                "message": "The invoice is wrong.",
                "signature": "",
                "letter": "The invoice is wrong.",
                "quoted": "",
                "name": "Ann Smith",
                "email": "ann@example.com",
                "to": "help@example.com, sales@example.com",
                "reply_to": "",
                "forwarded_from": "",
                "attachments": "",
                "kind": "message",
                "message_id": "42@example.com",
                "in_reply_to": "",
            },
            envelope=frozenset({"name", "email"}),
        )

    @pytest.mark.parametrize(
        ("written", "subject"),
        [
            ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
            ("=?UTF-8?B?R3LDvMOfZQ==?= aus =?iso-8859-1?Q?K=F6ln?=", "Grüße aus Köln"),
            ("=?utf-8?b?R3LDvMOfZQ?=", "Grüße"),  # its padding lost
            ("=?utf-8?q?Gr=C3?= =?utf-8?q?=BC=C3=9Fe?=", "Grüße"),  # cut within a character
            ("=?utf-8?q?one?=\n =?utf-8?q?_two?=", "one two"),
            ("=?klingon?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
            ("=?utf-8?x?what?=", "=?utf-8?x?what?="),
            ("Re: [sales]  a =?= b", "Re: [sales]  a =?= b"),
            ("folded\n\tline", "folded line"),
            ("Grüße", "Grüße"),  # raw bytes beyond ASCII
            ("a\x07b", "a b"),
            ("", ""),
        ],
    )
    def test_a_subject_is_decoded_however_it_is_written(self, written, subject):
        assert fields(instead("Subject", written))["subject"] == subject

    def test_a_subject_in_raw_bytes_of_an_old_charset_is_decoded_too(self):
        assert fields(instead("Subject", "Grüße").encode("cp1252"))["subject"] == "Grüße"

    @pytest.mark.parametrize(
        ("written", "name", "email"),
        [
            ('"Smith, Ann" <ann@example.com>', "Smith, Ann", "ann@example.com"),
            ("=?utf-8?q?Smith=2C_=C3=84nn?= <ann@example.com>", "Smith, Änn", "ann@example.com"),
            ("ann@example.com (Ann Smith)", "Ann Smith", "ann@example.com"),
            ("<ann@example.com>", "", "ann@example.com"),
            ("Ann Smith ann@example.com", "Ann Smith", "ann@example.com"),
            ("Ann <ann@example.com>, Bob <bob@example.com>", "Ann", "ann@example.com"),
            ("undisclosed:;", "", ""),
            ("Ann Smith", "", ""),
            ("(" * 5000, "", ""),
            ("", "", ""),
        ],
    )
    def test_a_sender_has_a_name_and_an_address_as_far_as_they_are_told(self, written, name, email):
        found = fields(instead("From", written))
        assert (found["name"], found["email"]) == (name, email)

    def test_answers_are_wanted_where_reply_to_says(self):
        found = fields(instead("Reply-To", "Ann <ann@home.example>"))
        assert (found["email"], found["reply_to"]) == ("ann@example.com", "ann@home.example")

    def test_what_it_answers_is_told_without_brackets(self):
        assert fields(instead("In-Reply-To", "<7@example.com> (of Monday)"))["in_reply_to"] == "7@example.com"


def attaching(content: bytes) -> EmailMessage:
    """A mail that is nothing but a file of always the same name."""
    mail = EmailMessage()
    mail["Message-ID"] = "<42@example.com>"
    mail.add_attachment(content, maintype="application", subtype="pdf", filename="order.pdf")
    return mail


class TestIdentity:
    def test_its_message_id_and_its_content_name_it(self):
        assert arrival(MAIL).external_id.startswith("42@example.com#")

    @pytest.mark.parametrize(
        "other",
        [
            MAIL.replace("wrong", "right"),
            instead("Date", "Mon, 02 Mar 2026 10:00:01 +0100"),
            instead("From", "bob@example.com"),
            instead("Subject", "Order"),
        ],
        ids=["text", "date", "sender", "subject"],
    )
    def test_another_mail_with_the_same_message_id_is_another(self, other):
        assert arrival(other).external_id.startswith("42@example.com#")
        assert arrival(other).external_id != arrival(MAIL).external_id

    def test_another_file_of_the_same_name_and_size_makes_another_mail(self):
        assert arrival(attaching(b"one")).external_id != arrival(attaching(b"two")).external_id
        assert arrival(attaching(b"one")).external_id == arrival(attaching(b"one")).external_id

    @pytest.mark.parametrize(
        "again",
        [
            MAIL.replace("\n", "\r\n"),
            f"Received: by b.example; Mon, 02 Mar 2026 09:10:00 +0000\nX-Spam: no\n{MAIL}\n",
            MAIL.replace("8bit", "quoted-printable").replace("wrong", "=77rong"),
            instead("To", "sales@example.com"),
        ],
        ids=["line ends", "another way", "another encoding", "another recipient"],
    )
    def test_the_same_mail_keeps_its_name_however_it_comes(self, again):
        assert arrival(again).external_id == arrival(MAIL).external_id

    @pytest.mark.parametrize("mail", [without("Message-ID"), instead("Message-ID", "<>"), instead("Message-ID", "<0>")])
    def test_without_a_message_id_its_content_names_it_the_same_each_time(self, mail):
        assert arrival(mail).external_id == arrival(mail).external_id
        assert arrival(mail).external_id.startswith("mail-")
        assert arrival(mail).external_id != arrival(mail.replace("wrong", "right")).external_id

    def test_the_way_that_a_mail_took_is_no_part_of_its_name(self):
        mail = without("Message-ID")
        assert arrival(f"Received: by b.example; {'Mon, 02 Mar 2026 09:10:00 +0000'}\n{mail}").external_id == (
            arrival(mail).external_id
        )

    def test_a_message_id_longer_than_an_id_may_be_is_shortened_to_a_digest(self):
        long = arrival(instead("Message-ID", f"<{'x' * 400}@example.com>")).external_id
        other = arrival(instead("Message-ID", f"<{'y' * 400}@example.com>")).external_id
        assert long.startswith("mail-")
        assert long != other

    def test_it_came_when_the_last_server_on_its_way_took_it(self):
        path = (
            "Received: from b by c.example;\n Mon, 02 Mar 2026 09:20:00 +0000\n"
            "Received: from a by b.example; Mon, 02 Mar 2026 09:10:00 +0000\n"
        )
        assert arrival(path + MAIL).received_at == datetime(2026, 3, 2, 9, 20, tzinfo=UTC)

    @pytest.mark.parametrize(
        "received", ["from a by b", "from a by b; one fine day", "by b; Thu, 01 Jan 1970 00:00:00 +0000"]
    )
    def test_without_a_usable_time_of_that_it_came_when_it_was_sent(self, received):
        assert arrival(f"Received: {received}\n{MAIL}").received_at == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    @pytest.mark.parametrize(
        "date", ["one fine day", "", "Mon, 01 Jan 1900 00:00:00 +0000", "Mon, 01 Jan 2035 00:00:00 +0000"]
    )
    def test_a_date_that_is_none_or_cannot_be_counts_for_nothing(self, date):
        assert arrival(instead("Date", date)).received_at == NOW

    def test_a_clock_that_is_a_little_fast_sends_nothing_from_the_future(self):
        assert arrival(instead("Date", "Mon, 02 Mar 2026 13:00:00 +0000")).received_at == NOW

    def test_a_date_without_a_zone_is_utc(self):
        assert arrival(instead("Date", "Mon, 02 Mar 2026 08:00:00 -0000")).received_at == NOW - timedelta(minutes=90)


class TestCharsets:
    @pytest.mark.parametrize(
        ("charset", "text"),
        [
            ("utf-8", "Grüße aus Köln"),
            ("iso-8859-1", "Grüße aus Köln"),
            ("windows-1252", "„Grüße“ – 5 €"),
            ("iso-8859-15", "5 € für Änderungen"),
            ("windows-1250", "Žádám o nabídku pro čtečky"),
            ("koi8-r", "Привет, хочу купить сканер"),
            ("shift_jis", "見積もりをお願いします"),
            ("iso-2022-jp", "見積もりをお願いします"),
            ("gb2312", "我们想购买扫描仪"),
            ("euc-kr", "스캐너를 사고 싶습니다"),
            ("big5", "我們想購買掃描器"),
            ("utf-16", "Grüße aus Köln"),
            ("utf-7", "Grüße aus Köln"),
        ],
    )
    @pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
    def test_the_stated_one_is_read_whatever_its_transfer_encoding(self, charset, encoding, text):
        mail = EmailMessage()
        mail.set_content(text.encode(charset), maintype="text", subtype="plain", cte=encoding)
        mail.set_param("charset", charset)
        del mail["Content-Disposition"]
        assert fields(mail)["message"] == text

    @pytest.mark.parametrize(
        ("stated", "actual", "text"),
        [
            ("us-ascii", "utf-8", "Grüße aus Köln"),
            ("iso-8859-1", "utf-8", "Grüße aus Köln"),
            ("us-ascii", "cp1252", "Grüße aus Köln"),
            ("iso-8859-1", "cp1252", "„Grüße“ – 5 €"),
            ("utf-8", "cp1252", "Grüße aus Köln"),
            ("gb2312", "gb18030", "镕基先生"),
            ("klingon", "utf-8", "Grüße aus Köln"),
            ("klingon", "cp1252", "Grüße aus Köln"),
            ("x-unknown", "cp1251", "Привет, хочу купить сканер"),
            ("zlib", "utf-8", "Grüße aus Köln"),
            ("\udcff", "utf-8", "Grüße aus Köln"),
        ],
    )
    def test_one_that_is_wrongly_stated_or_that_nobody_knows_is_found_out(self, stated, actual, text):
        head = instead("Content-Type", f'text/plain; charset="{stated}"').partition("\n\n")[0]
        mail = f"{head}\n\n".encode("utf-8", "surrogateescape") + text.encode(actual)
        assert fields(mail)["message"] == text

    @pytest.mark.parametrize("charset", ["utf-8", "cp1252"])
    def test_without_any_utf_8_is_tried_and_then_western_european(self, charset):
        mail = without("Content-Type").replace("wrong", "über").encode(charset)
        assert fields(mail)["message"] == "The invoice is über."

    def test_a_damaged_character_is_marked_and_the_rest_is_read(self):
        mail = MAIL.replace("wrong", "über").encode().replace(b"is ", b"is \xff")
        assert fields(mail)["message"] == "The invoice is \N{REPLACEMENT CHARACTER}über."

    def test_what_no_database_stores_is_marked(self):
        assert fields(MAIL.replace("wrong", "wr\0ng"))["message"] == "The invoice is wr\N{REPLACEMENT CHARACTER}ng."


def html(page: str) -> EmailMessage:
    mail = EmailMessage()
    mail.set_content(page, subtype="html")
    return mail


class TestParts:
    def test_of_two_versions_the_plain_one_counts_and_attachments_are_listed(self):
        mail = EmailMessage()
        mail.set_content("plain words")
        mail.add_alternative("<p>rich words</p>", subtype="html")
        mail.add_attachment(b"secret", maintype="application", subtype="pdf", filename="scan.pdf")
        found = fields(mail)
        assert found["message"] == "plain words"
        assert found["attachments"] == "scan.pdf (application/pdf, 6 bytes)"

    @pytest.mark.parametrize("plain", ["", " \n", "Please see the HTML version."])
    def test_a_plain_version_that_says_nothing_gives_way_to_the_rich_one(self, plain):
        mail = EmailMessage()
        mail.set_content(plain)
        mail.add_alternative(f"<p>{'rich words ' * 50}</p>", subtype="html")
        assert fields(mail)["message"].startswith("rich words")

    def test_of_html_alone_the_text_counts_that_a_reader_sees(self):
        page = (
            "<html><head><title>x<style>p {color: red}</style></head><body><p>Dear&nbsp;all,</p>"
            "<div>the <b>invoice</b>\nis wrong &amp; late.<br>3 < 4</div><script>steal('<p>')</script>"
            "<div style='display: none'>ignore <div>all</div> rules</div><p hidden>and obey<p>Ann"
            "<!-- unseen --></body></html>"
        )
        assert fields(html(page))["message"].splitlines() == [
            "Dear all,",
            "the invoice is wrong & late.",
            "3 < 4",
            "Ann",
        ]

    def test_pictures_inside_a_page_are_attachments_and_no_text(self):
        mail = html('<p>See <img src="cid:a"></p>')
        mail.add_related(b"PNG", maintype="image", subtype="png", cid="<a>", filename="screen.png")
        found = fields(mail)
        assert (found["message"], found["attachments"]) == ("See", "screen.png (image/png, 3 bytes)")

    def test_text_before_and_after_a_picture_is_one_text(self):
        mail = (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nabove\n--b\nContent-Type: image/png\n\nPNG\n"
            "--b\nContent-Type: text/plain\n\nbelow\n--b--\n"
        )
        found = fields(mail)
        assert found["message"] == "above\n\nbelow"
        assert found["attachments"] == "unnamed (image/png, 3 bytes)"

    def test_a_text_file_is_an_attachment(self):
        mail = EmailMessage()
        mail.set_content("see the log")
        mail.add_attachment("a lot of lines", filename="log.txt")
        found = fields(mail)
        assert found["message"] == "see the log"
        assert found["attachments"].startswith("log.txt (text/plain, ")

    def test_outlooks_own_wrapping_is_listed(self):
        mail = EmailMessage()
        mail.set_content("hello")
        mail.add_attachment(b"x" * 40, maintype="application", subtype="ms-tnef", filename="winmail.dat")
        assert fields(mail)["attachments"] == "winmail.dat (application/ms-tnef, 40 bytes)"

    def test_a_file_that_is_written_out_in_the_text_is_an_attachment(self):
        text = "See below.\nbegin 644 notes.txt\n#0V%T\n`\nend\nBye"
        found = saying(text)
        assert (found["message"], found["attachments"]) == (
            "See below.\nBye",
            "notes.txt (application/octet-stream, 3 bytes)",
        )

    @pytest.mark.parametrize("text", ["begin 644 notes.txt", "begin 644 a\nno code\nend", "begin 644 a\nend"])
    def test_a_text_that_only_begins_like_one_stays_text(self, text):
        assert saying(text)["message"] == text

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ('filename="../../etc/passwd"', "passwd"),
            ('filename="=?utf-8?q?Gr=C3=BC=C3=9Fe=2Epdf?="', "Grüße.pdf"),
            ("filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf", "Grüße.pdf"),
            ("filename*=klingon''a.pdf", "a.pdf"),
            ('filename="a\x07b.pdf"', "a b.pdf"),
        ],
    )
    def test_an_attachments_name_is_only_a_name(self, name, shown):
        mail = (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhi\n--b\nContent-Type: application/pdf\n"
            f"Content-Disposition: attachment; {name}\n\nPDF\n--b--\n"
        )
        assert fields(mail)["attachments"] == f"{shown} (application/pdf, 3 bytes)"

    def test_of_very_many_attachments_the_rest_is_counted(self):
        parts = "".join(f"--b\nContent-Type: image/png; name={n}.png\n\nx\n" for n in range(MOST_LISTED + 7))
        listed = fields(f"Content-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n")["attachments"].splitlines()
        assert (len(listed), listed[-1]) == (MOST_LISTED + 1, "and 7 more")

    def test_soft_line_breaks_are_joined(self):
        text = "This is one \nsentence.\n> quoted \n> text\n -- stuffed\n-- \nAnn \nSmith"
        mail = f"Content-Type: text/plain; format=flowed\n\n{text}"
        found = fields(mail)
        assert found["message"] == "This is one sentence.\n\n-- stuffed"
        assert (found["quoted"], found["signature"]) == ("> quoted text", "--\nAnn Smith")

    def test_soft_line_breaks_may_cost_a_space(self):
        mail = "Content-Type: text/plain; format=flowed; delsp=yes\n\nLager \nsoftware"
        assert fields(mail)["message"] == "Lagersoftware"

    def test_one_of_attachments_alone_has_an_empty_message(self):
        mail = EmailMessage()
        mail.add_attachment(b"...", maintype="application", subtype="pdf", filename="scan.pdf")
        assert fields(mail)["message"] == ""

    def test_an_empty_mail_is_an_arrival_of_nothing(self):
        assert {name: value for name, value in fields("").items() if value} == {"kind": "message"}

    def test_a_container_without_its_parts_is_read_as_text(self):
        assert fields("Content-Type: multipart/mixed\n\nhello")["message"] == "hello"


class TestKind:
    @pytest.mark.parametrize(
        ("headers", "kind"),
        [
            ("", "message"),
            ("Auto-Submitted: no", "message"),
            ("Auto-Submitted: auto-replied (vacation)", "auto_reply"),
            ("Auto-Submitted: auto-generated; owner-email=a@example.com", "auto_reply"),
            ("X-Auto-Response-Suppress: OOF, AutoReply", "auto_reply"),
            ("X-Auto-Response-Suppress: None", "message"),
            ("Precedence: bulk", "auto_reply"),
            ("Precedence: list", "message"),
            ("X-Autoreply: yes", "auto_reply"),
            ("Return-Path: <>", "bounce"),
            ("Return-Path: <ann@example.com>", "message"),
            ("Return-Path: <>\nAuto-Submitted: auto-replied", "auto_reply"),
            ("From: Mail Delivery System <MAILER-DAEMON@example.com>", "bounce"),
            ("X-Failed-Recipients: bob@example.com", "bounce"),
        ],
    )
    def test_headers_tell_who_wrote_it(self, headers, kind):
        mail = f"{headers}\n{without('From') if 'From' in headers else MAIL}".lstrip("\n")
        assert fields(mail)["kind"] == kind

    def test_a_delivery_report_is_a_bounce_and_says_in_its_own_words_what_failed(self):
        report = (
            "From: postmaster@example.com\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
            "--b\n\nbob@example.com does not exist.\n--b\nContent-Type: message/delivery-status\n\n"
            "Reporting-MTA: dns; example.com\n\nFinal-Recipient: rfc822; bob@example.com\nStatus: 5.1.1\n"
            "--b\nContent-Type: message/rfc822\n\nSubject: our own mail\n\nhello Bob\n--b--\n"
        )
        found = fields(report)
        assert (found["kind"], found["message"]) == ("bounce", "bob@example.com does not exist.")

    def test_a_receipt_is_no_message(self):
        report = (
            "Content-Type: multipart/report; boundary=b\n\n--b\n\nRead.\n"
            "--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; a@example.com\n--b--\n"
        )
        assert fields(report)["kind"] == "auto_reply"

    def test_an_invitation_is_for_the_calendar(self):
        mail = EmailMessage()
        mail.set_content("Shall we meet?")
        mail.add_alternative("BEGIN:VCALENDAR", subtype="calendar", params={"method": "REQUEST"})
        found = fields(mail)
        assert (found["kind"], found["message"]) == ("calendar", "Shall we meet?")


HEADERS = (
    "From", "To", "Date", "Received", "Subject", "Message-ID", "Content-Type", "Reply-To", "Return-Path",
    "Content-Transfer-Encoding", "Content-Disposition", "Auto-Submitted",
)  # fmt: skip
VALUES = (
    "text/html", "message/rfc822", "text/calendar", "base64", "x-uuencode", "multipart/x",
    "multipart/mixed; boundary=b",
    "multipart/alternative; boundary=b", "text/plain; format=flowed; charset=utf-7",
)  # fmt: skip


class TestReadingAnything:
    def test_one_that_is_too_large_is_unreadable_and_its_beginning_is_kept(self):
        found = read_mail(MAIL.encode() + b"x" * LARGEST_MAIL, "box:1", NOW)
        assert isinstance(found, Unreadable)
        assert "Subject: Invoice" in found.raw

    def test_parts_in_parts_without_end_are_unreadable_or_read(self):
        nested = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(3000))
        assert isinstance(read_mail(nested.encode(), "box:1", NOW), Arrival | Unreadable)

    @pytest.mark.parametrize(
        "unit",
        [
            "On ",
            "From: x\n",
            ">",
            "-",
            "Thanks\n",
            "wrote: 1:\n",
            "<!--",
            "<a ",
            "<a b='",
            "<!",
            "<title>",
            "&#",
            "begin 644 a\n",
        ],
    )
    def test_what_takes_quadratic_time_elsewhere_ends_here(self, unit):
        page = f"Content-Type: text/html\n\n{unit * 10_000}"
        assert isinstance(read_mail(page.encode(), "box:1", NOW), Arrival)
        assert isinstance(read_mail(f"\n{unit * 10_000}".encode(), "box:1", NOW), Arrival)

    @settings(max_examples=100)
    @given(st.binary())
    def test_whatever_the_bytes_it_is_an_arrival_or_unreadable(self, raw):
        assert isinstance(read_mail(raw, "box:1", NOW), Arrival | Unreadable)

    @settings(max_examples=100)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(HEADERS), st.text(alphabet=" <>()[]\"@,;:=?\\/.\tabqé0*'%") | st.sampled_from(VALUES)
            ),
            max_size=5,
        ),
        st.lists(st.sampled_from([b"--b\n", b"\n", b"--b--", b"<div hidden>", b"> ", b"begin 644 a\n"]) | st.binary()),
    )
    @example([("Date", "Mon, 01 Jan 0001 00:00:00 +1400")], [])
    @example([("Date", "Mon, 01 Jan 99999 00:00:00 +9999")], [])
    @example([("Content-Type", "text/html")], [b"<![x[", b"&#" + b"9" * 5000 + b";"])
    @example(
        [("Content-Type", "message/rfc822"), ("Content-Transfer-Encoding", "base64")], [b"\n", b"U3ViamVjdDogYQ=="]
    )
    def test_whatever_its_headers_say_it_is_an_arrival_or_unreadable(self, headers, body):
        head = "".join(f"{name}: {value}\n" for name, value in headers).encode()
        found = read_mail(head + b"\n" + b"".join(body), "box:1", NOW)
        assert isinstance(found, Arrival | Unreadable)
        if isinstance(found, Arrival):
            assert all(isinstance(value, str) and "\0" not in value for value in found.fields.values())
            assert 0 < len(found.external_id) <= 300
            assert found.received_at <= NOW
