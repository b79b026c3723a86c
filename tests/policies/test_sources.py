"""What a policy says of the sources that are read for it."""

from datetime import date

import pytest
from builders import policy
from pydantic import ValidationError

from policies.sources import IntakeSource

LEADS = {"source": "sql_table", "options": {"table": "leads"}, "fields": {"message": "body"}}


def test_a_source_is_named_alone_or_with_what_it_is_told() -> None:
    assert policy(intake={"sources": ["imap", LEADS]}).intake.sources == (
        IntakeSource(source="imap"),
        IntakeSource(source="sql_table", options={"table": "leads"}, fields={"message": "body"}),
    )


def test_people_read_a_source_with_its_options() -> None:
    assert [str(IntakeSource.model_validate(one)) for one in ({"source": "imap"}, LEADS)] == [
        "imap",
        "sql_table (leads)",
    ]


def test_a_date_needs_no_quotes() -> None:
    [source] = policy(intake={"sources": [{**LEADS, "options": {"since": date(2026, 3, 1)}}]}).intake.sources

    assert source.options == {"since": "2026-03-01"}


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ({"options": {}}, ("source",)),
        ({"source": "imap", "colour": "red"}, ("colour",)),
        ({"source": "imap", "options": {"Folder": "x"}}, ("options", "Folder")),
        ({"source": "imap", "fields": {"colour": "x"}}, ("fields", "colour")),
        (7, ()),
    ],
)
def test_what_is_no_source_is_refused_where_it_stands(source: object, where: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as refused:
        policy(intake={"sources": ["folder", source]})

    assert refused.value.errors()[0]["loc"][:3] == ("intake", "sources", 1)
    assert refused.value.errors()[0]["loc"][3 : 3 + len(where)] == where
