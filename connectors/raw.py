"""What is kept of an input that nobody can read."""

LONGEST_RAW = 2000
"""Characters of it."""


def shown(raw: bytes, longest: int = LONGEST_RAW) -> str:
    """Its beginning as text, with marks for bytes that are not UTF-8."""
    return raw[: 4 * longest].decode("utf-8", "replace").strip()[:longest]
