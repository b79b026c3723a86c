"""Keeps secrets and personal values out of logs."""

import logging
import re
from collections.abc import Mapping

from domain.masking import Mask, Maskable

_SECRET = re.compile(r"(?:TOKEN|SECRET|PASSWORD|PASSWD|_KEY|_KEYS|DSN)$")
SHORTEST_SECRET = 8
"""Characters; a shorter value would be found in words that are none."""


class PrivateLogs(logging.Filter):
    """Writes `[email 1]`, `[phone 1]`, `[iban 1]` and `[secret]` into records, and into their traces, instead.

    Phone numbers are masked that come with their country's prefix, so that no other number is taken for one.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__()
        values = {value for name, value in environ.items() if _SECRET.search(name.upper())}
        self._secrets = sorted((one for one in values if len(one) >= SHORTEST_SECRET), key=len, reverse=True)

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record; it is always kept."""
        record.msg, record.args = self._masked(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._masked(record.exc_text)
        return True

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return Mask(tuple(Maskable)).hide(text)


def keep_logs_private(environ: Mapping[str, str]) -> None:
    """Filter what every handler that stands writes from now on; again, nothing."""
    named = [logging.getLogger(name) for name in logging.Logger.manager.loggerDict]
    for handler in {handler for logger in [logging.getLogger(), *named] for handler in logger.handlers}:
        if not any(isinstance(one, PrivateLogs) for one in handler.filters):
            handler.addFilter(PrivateLogs(environ))
