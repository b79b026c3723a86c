"""Text out of bytes whose charset is stated, wrongly stated, unknown or not stated at all."""

import codecs

from charset_normalizer import from_bytes

SUPERSETS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
"""What mailers that state the one mean in fact (WHATWG Encoding Standard, 4.2, names and labels)."""

NO_CHARSETS = {"idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape"}
"""Python's own codecs that no mail is written in; some take quadratic time."""

LIKELY = (
    "cp1252",
    "cp1250",
    "cp1251",
    "koi8_r",
    "iso8859_7",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp932",
    "gb18030",
    "big5",
    "cp949",
)
"""Charsets that are guessed at: without such a list short texts are taken for UTF-16."""

FEW_BYTES, FEW_SHARE = 8, 0.15
"""With fewer bytes beyond ASCII than this, in number or by share, a guess is noise: it is Western European."""

SAMPLE = 50_000
"""Bytes that a guess looks at."""


def decoded(raw: bytes, charset: str | None) -> str:
    """The text of `raw`, which is stated to be in `charset`; never fails.

    Bytes beyond ASCII that are valid UTF-8 are UTF-8, whatever one-byte charset is stated.
    A damaged character becomes a mark; a charset that fits none of the text is not believed.
    """
    codec = _codec(charset)
    if codec is None or _one_byte(codec):
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
    if codec is None:
        return _guessed(raw)
    try:
        return raw.decode(codec)
    except (UnicodeError, ValueError):
        # No character beyond ASCII fits: it is not damaged but in another charset.
        fits = not raw.decode(codec, "ignore").isascii()
        return raw.decode(codec, "replace") if fits else _guessed(raw)


def _codec(charset: str | None) -> str | None:
    try:
        found = codecs.lookup((charset or "").strip(" \"'"))
        "a".encode(found.name)  # refuses codecs that make no text, such as zlib
    except (LookupError, ValueError):
        return None
    return None if found.name.replace("-", "_") in NO_CHARSETS else SUPERSETS.get(found.name, found.name)


def _one_byte(codec: str) -> bool:
    return codec.startswith(("cp125", "cp874", "iso8859", "koi8", "mac"))


def _guessed(raw: bytes) -> str:
    beyond_ascii = sum(byte > 127 for byte in raw[:SAMPLE])  # noqa: PLR2004  ASCII's last
    if beyond_ascii >= FEW_BYTES and beyond_ascii >= FEW_SHARE * len(raw[:SAMPLE]):
        best = from_bytes(raw[:SAMPLE], cp_isolation=list(LIKELY)).best()
        if best is not None:
            return raw.decode(best.encoding, "replace")
    return raw.decode("cp1252", "replace")
