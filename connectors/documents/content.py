"""The document that an operation carries in its values."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from domain.errors import InputInvalid

VALUES = ("content", "content_base64", "name")


@dataclass(frozen=True)
class Document:
    """A document's bytes, and the name that it came with, if any."""

    content: bytes
    name: str

    @property
    def suffix(self) -> str:
        """The name's ending, such as `.pdf`; empty if it has none that is short and plain."""
        ending = PurePosixPath(self.name.replace("\\", "/")).suffix.lower()
        return ending if ending[1:].isalnum() and ending.isascii() and len(ending) <= LONGEST_SUFFIX else ""


LONGEST_SUFFIX = 10
"""Characters, the dot included."""


def document(values: Mapping[str, str]) -> Document:
    """The document in `content` (text, stored as UTF-8) or in `content_base64`.

    Raises:
        InputInvalid: there is none, or both, or what is said to be base64 is not.
    """
    text, encoded = values.get("content"), values.get("content_base64")
    if (text is None) == (encoded is None):
        raise InputInvalid("give the document either as 'content' or as 'content_base64'")
    try:
        content = base64.b64decode(encoded, validate=True) if encoded is not None else (text or "").encode()
    except (binascii.Error, ValueError) as exc:  # text that UTF-8 cannot hold is a ValueError too
        raise InputInvalid(f"the document cannot be read: {exc}") from exc
    return Document(content, values.get("name", ""))
