"""Logs hold neither secrets nor what tells a person apart."""

import io
import logging
from collections.abc import Iterator

import pytest

from tasks.private_logs import PrivateLogs, keep_logs_private

ENVIRON = {"SLACK_BOT_TOKEN": "xoxb-1234-very-secret", "SHORT_KEY": "abc", "HUBSPOT_PORTAL": "12345678"}


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream, logger = io.StringIO(), logging.getLogger("private")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    keep_logs_private(ENVIRON)
    keep_logs_private(ENVIRON)
    assert sum(isinstance(one, PrivateLogs) for one in handler.filters) == 1
    yield stream
    logger.removeHandler(handler)


def test_a_line_says_what_happened_and_not_to_whom(written: io.StringIO) -> None:
    logging.getLogger("private").error("mail of %s to %s, call %s", "ann@x.org", "bob@x.org", "+49 30 901820")
    assert written.getvalue() == "mail of [email 1] to [email 2], call [phone 1]\n"


def test_a_trace_and_a_secret_are_masked_too(written: io.StringIO) -> None:
    try:
        int("ann@x.org with xoxb-1234-very-secret")
    except ValueError:
        logging.getLogger("private").exception("portal 12345678, key abc: %d%%", 7)
    said = written.getvalue()
    assert "portal 12345678, key abc: 7%" in said
    assert "'[email 1] with [secret]'" in said
    assert "ann@x.org" not in said
    assert "xoxb" not in said
