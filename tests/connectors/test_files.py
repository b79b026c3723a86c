"""What `read_file` makes of people's own files: every record is read or told apart, none is lost."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connectors.files.reading import read_file
from connectors.mail.message import LARGEST_MAIL
from connectors.ports import Arrival, Unreadable
from connectors.raw import LONGEST_RAW
from domain.errors import InputInvalid

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file of a name and content; text as UTF-8."""

    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def read(path: Path) -> list[Arrival | Unreadable]:
    return list(read_file(path, NOW))


def record(path: Path) -> Arrival:
    (only,) = read(path)
    assert isinstance(only, Arrival), only
    return only


def broken(path: Path) -> Unreadable:
    (only,) = read(path)
    assert isinstance(only, Unreadable), only
    return only


class TestAnyFile:
    def test_one_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(InputInvalid, match=r"leads\.csv: no such file"):
            read(tmp_path / "leads.csv")

    def test_a_folder_is_refused(self, tmp_path):
        with pytest.raises(InputInvalid, match="no such file"):
            read(tmp_path)

    @pytest.mark.parametrize("name", ["leads.xlsx", "leads", "leads.json"])
    def test_an_unknown_kind_is_refused_and_the_known_ones_are_named(self, write, name):
        with pytest.raises(InputInvalid, match=r"give a \.jsonl, \.csv, \.eml or \.mbox file"):
            read(write(name, "{}"))

    def test_the_suffix_may_be_in_capitals(self, write):
        assert record(write("LEADS.JSONL", '{"message": "hi"}')).fields == {"message": "hi"}

    @pytest.mark.parametrize("name", ["no.jsonl", "no.csv", "no.mbox"])
    def test_an_empty_one_holds_no_records(self, write, name):
        assert read(write(name, "")) == []


class TestJsonLines:
    def test_a_full_record_is_taken_as_it_stands(self, write):
        given = {
            "source": "web_form",
            "external_id": "wf-1",
            "received_at": "2026-03-01T10:00:00+01:00",
            "fields": {"message": "hi", "seats": 5},
        }
        found = record(write("leads.jsonl", json.dumps(given)))
        received_at = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
        assert found == Arrival("leads.jsonl:1", "web_form", "wf-1", received_at, {"message": "hi", "seats": 5})

    def test_a_flat_row_is_fields_with_source_id_and_time_taken_out(self, write):
        row = {
            "external_id": "7",
            "source": "crm",
            "received_at": "2026-03-01T09:00:00Z",
            "message": "hi",
            "where": "x",
        }
        found = record(write("rows.jsonl", json.dumps(row)))
        assert (found.source, found.external_id, found.received_at.day) == ("crm", "7", 1)
        assert found.fields == {"message": "hi", "where": "x"}

    def test_an_id_may_be_a_number(self, write):
        assert record(write("rows.jsonl", '{"external_id": 4711, "message": "hi"}')).external_id == "4711"

    def test_without_source_and_time_the_files_name_and_now_stand_in(self, write):
        found = record(write("leads.jsonl", '{"message": "hi", "source": null, "received_at": ""}'))
        assert (found.source, found.received_at) == ("leads", NOW)

    @pytest.mark.parametrize("line", ['{"message": "hi"}', '{"fields": {"message": "hi"}, "external_id": null}'])
    def test_without_an_id_reading_the_file_twice_gives_the_same_one(self, write, line):
        path = write("leads.jsonl", line)
        later = next(iter(read_file(path, NOW + timedelta(days=1))))
        assert isinstance(later, Arrival)
        assert record(path).external_id == later.external_id
        assert later.external_id.startswith("row-")

    def test_without_an_id_other_content_gives_another(self, write):
        one, other = read(write("leads.jsonl", '{"message": "hi"}\n{"message": "ho"}'))
        assert isinstance(one, Arrival)
        assert isinstance(other, Arrival)
        assert one.external_id != other.external_id

    def test_a_broken_line_is_told_with_its_number_and_the_rest_goes_on(self, write):
        first, second, third = read(write("leads.jsonl", '{"message": "a"}\n\n{"message": \n{"message": "b"}\n'))
        assert isinstance(first, Arrival)
        assert isinstance(second, Unreadable)
        assert (second.where, second.raw) == ("leads.jsonl:3", '{"message":')
        assert "not a line of JSON" in second.why
        assert isinstance(third, Arrival)
        assert third.where == "leads.jsonl:4"

    @pytest.mark.parametrize("line", ["[1, 2]", '"text"', "7", "null", "true"])
    def test_what_is_no_object_is_broken(self, write, line):
        assert broken(write("leads.jsonl", line)) == Unreadable("leads.jsonl:1", "not a JSON object", line)

    def test_bad_utf_8_is_broken_and_shown_with_marks(self, write):
        found = broken(write("leads.jsonl", b'{"message": "M\xfcller"}'))
        assert "UTF-8" in found.why
        assert found.raw == '{"message": "M\N{REPLACEMENT CHARACTER}ller"}'

    def test_a_byte_order_mark_is_no_content(self, write):
        assert record(write("leads.jsonl", b'\xef\xbb\xbf{"message": "hi"}')).fields == {"message": "hi"}

    def test_half_a_surrogate_pair_breaks_nothing(self, write):
        assert record(write("leads.jsonl", r'{"message": "\ud800"}')).fields == {"message": "\ud800"}

    @pytest.mark.parametrize("line", ['{"n": ' + "9" * 5000 + "}", "[" * 100_000])
    def test_what_the_parser_itself_cannot_bear_is_broken(self, write, line):
        assert broken(write("leads.jsonl", line)).raw == line[:LONGEST_RAW]

    @pytest.mark.parametrize("time", ["yesterday", "2026-13-45T00:00:00Z", "2026-03-01T10:00:00", [1]])
    def test_a_time_that_is_none_or_has_no_zone_is_broken_and_says_so(self, write, time):
        found = broken(write("leads.jsonl", json.dumps({"message": "hi", "received_at": time})))
        assert found.why.startswith("received_at: ")

    def test_a_full_record_with_an_unknown_key_or_fields_that_are_none_is_broken(self, write):
        lines = '{"fields": {"message": "hi"}, "colour": "red"}\n{"fields": "hi"}'
        assert [one.why for one in read(write("leads.jsonl", lines)) if isinstance(one, Unreadable)] == [
            "colour: Extra inputs are not permitted",
            "fields: Input should be a valid dictionary",
        ]

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.binary() | st.text().map(str.encode)))
    @example([b"\x00", b"\xed\xa0\x80", b"NaN", b'{"a": 1e999}', b"[" * 2000])
    def test_whatever_the_bytes_each_line_is_a_record_or_broken(self, write, lines):
        content = b"\n".join(lines)
        found = read(write("any.jsonl", content))
        filled = [number for number, line in enumerate(content.split(b"\n"), start=1) if line.strip()]
        assert [one.where for one in found] == [f"any.jsonl:{number}" for number in filled]

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.text() | st.sampled_from(["fields", "where", "source", "external_id", "received_at"]), inner
                )
            ),
        )
    )
    @example({"received_at": 1e308, "external_id": 10**4000})
    @example({"fields": {"\ud800": 1}})
    def test_whatever_the_json_it_is_a_record_or_broken_and_the_same_again(self, write, value):
        path = write("any.jsonl", json.dumps(value))
        assert repr(read(path)) == repr(read(path))
        assert len(read(path)) == 1


class TestCsv:
    def test_a_row_is_a_record_of_the_headers_columns(self, write):
        found = record(write("leads.csv", 'external_id,message,email\n7,"one, ""two""\nthree",a@example.com\n'))
        assert found == Arrival(
            where="leads.csv:2",
            source="leads",
            external_id="7",
            received_at=NOW,
            fields={"message": 'one, "two"\nthree', "email": "a@example.com"},
        )

    def test_a_row_after_one_of_several_lines_has_its_own_line_number(self, write):
        rows = read(write("leads.csv", 'message\n"one\ntwo"\n\nthree\n'))
        assert [row.where for row in rows] == ["leads.csv:2", "leads.csv:5"]

    def test_a_byte_order_mark_is_no_part_of_the_first_name(self, write):
        assert record(write("leads.csv", b"\xef\xbb\xbfmessage\nhi\n")).fields == {"message": "hi"}

    @pytest.mark.parametrize("separator", [";", "\t"])
    def test_columns_may_be_parted_as_spreadsheets_do(self, write, separator):
        lines = separator.join(["message", "email"]) + "\n" + separator.join(["one, two", "a@example.com"])
        assert record(write("leads.csv", lines)).fields == {"message": "one, two", "email": "a@example.com"}

    def test_a_row_with_too_many_columns_is_broken_and_the_next_goes_on(self, write):
        first, second = read(write("leads.csv", "message,email\na,b,c\nd,e\n"))
        assert first == Unreadable("leads.csv:2", "more columns than the header names", "a,b,c")
        assert isinstance(second, Arrival)

    def test_a_row_with_too_few_columns_lacks_the_others(self, write):
        assert record(write("leads.csv", "message,email\nhi\n")).fields == {"message": "hi"}

    def test_a_quote_without_its_end_is_broken_and_keeps_what_stands_there(self, write):
        found = broken(write("leads.csv", 'message\n"hi\nthere'))
        assert found == Unreadable("leads.csv:2", "not a row of CSV: unexpected end of data", '"hi\nthere')

    def test_a_stray_quote_is_broken_and_the_next_row_goes_on(self, write):
        first, second = read(write("leads.csv", 'message\n"hi" there\nho\n'))
        assert isinstance(first, Unreadable)
        assert first.where == "leads.csv:2"
        assert isinstance(second, Arrival)
        assert second.fields == {"message": "ho"}

    def test_a_row_that_is_not_utf_8_is_broken_and_not_guessed_at(self, write):
        first, second = read(write("leads.csv", b"message\nM\xfcller\nMeier\n"))
        assert first == Unreadable("leads.csv:2", "not UTF-8; save the file as UTF-8", "M\N{REPLACEMENT CHARACTER}ller")
        assert isinstance(second, Arrival)

    @pytest.mark.parametrize(
        ("header", "why"),
        [
            (b"message,message\n", "columns of the same name"),
            (b"m\xfcssage\n", "not UTF-8"),
            ("message\n".encode("utf-16"), "not UTF-8"),
            (b'"message\nhi\n', "not a header of CSV"),
        ],
    )
    def test_a_header_that_would_lose_content_is_refused_with_the_mend(self, write, header, why):
        with pytest.raises(InputInvalid, match=rf"leads\.csv:1: {why}"):
            read(write("leads.csv", header + b"hi,ho\n"))

    def test_a_header_alone_and_empty_rows_are_no_records(self, write):
        assert read(write("leads.csv", "message,email\n\n,\n")) == []

    def test_a_column_called_fields_is_a_column(self, write):
        assert record(write("farms.csv", "fields,message\n12,hi\n")).fields == {"fields": "12", "message": "hi"}

    def test_the_same_file_twice_gives_the_same_ids(self, write):
        path = write("leads.csv", "message,email\nhi\n")
        assert record(path).external_id == record(path).external_id

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.binary() | st.text(alphabet='ab,;"\n\r\t\0é').map(str.encode))
    def test_whatever_the_bytes_below_a_header_they_are_records_or_broken(self, write, content):
        assert all(one.where.startswith("any.csv:") for one in read(write("any.csv", b"message,email\n" + content)))


MAIL = """\
From: Ann Smith <ann@example.com>
Subject: Invoice
Date: Mon, 02 Mar 2026 10:00:00 +0100
Message-ID: <42@example.com>

The invoice is wrong.
"""
ENVELOPE = "From ann@example.com Mon Mar  2 10:00:00 2026\n"


class TestMail:
    def test_one_is_an_arrival_from_its_file(self, write):
        found = record(write("one.eml", MAIL))
        assert (found.where, found.source, found.fields["message_id"]) == ("one.eml:1", "mail", "42@example.com")
        assert found.fields["message"] == "The invoice is wrong."

    def test_one_that_is_too_large_is_broken_and_its_beginning_is_kept(self, write):
        found = broken(write("one.eml", MAIL + "x" * LARGEST_MAIL))
        assert "are read" in found.why
        assert "Subject: Invoice" in found.raw


class TestMailbox:
    def test_its_mails_come_in_order(self, write):
        found = read(write("box.mbox", "".join(f"{ENVELOPE}{one}\n" for one in (MAIL, MAIL.replace("42@", "43@")))))
        assert [one.where for one in found] == ["box.mbox:1", "box.mbox:2"]
        assert [one.fields["message_id"] for one in found if isinstance(one, Arrival)] == [
            "42@example.com",
            "43@example.com",
        ]

    @pytest.mark.parametrize("line", ["From Monday on we are closed", "From what I see, Mon is free", ">From now on"])
    def test_a_line_of_a_text_that_begins_with_from_begins_no_mail(self, write, line):
        message = record(write("box.mbox", f"{ENVELOPE}{MAIL}\n{line}\n")).fields["message"]
        assert message.splitlines()[-1] == line.removeprefix(">")

    @pytest.mark.parametrize(
        "envelope",
        [
            "From - Mon Mar  2 10:00:00 2026",
            "From 1786521@xxx Mon Mar 02 10:00:00 +0000 2026",
            "From ann@example.com Mon, 02 Mar 2026 10:00:00 +0100",
        ],
    )
    def test_mail_programs_write_the_line_between_mails_in_their_own_ways(self, write, envelope):
        assert len(read(write("box.mbox", f"{envelope}\n{MAIL}\n" * 2))) == 2

    def test_a_file_without_any_mail_is_refused_with_the_mend(self, write):
        with pytest.raises(InputInvalid, match=r"no line begins with 'From '.*\.eml"):
            read(write("box.mbox", MAIL))

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.binary(), min_size=1, max_size=4))
    def test_whatever_the_bytes_of_a_mail_it_is_a_record_or_broken(self, write, mails):
        content = b"".join(b"From x Mon Mar  2 10:00:00 2026\n" + mail + b"\n\n" for mail in mails)
        assert len(read(write("any.mbox", content))) >= len(mails)
