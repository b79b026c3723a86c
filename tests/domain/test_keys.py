"""Keys: what opens, and that nothing else does."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.keys import LONGEST, Key, KeyFault, Purpose, seal, unseal

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECRET, OTHER = b"s" * 32, b"o" * 32
KEY = Key(
    purpose=Purpose.REVIEW,
    reviewer="ann@example.com",
    proven=True,
    about="it-1",
    binding="b" * 64,
    expires_at=NOW + timedelta(hours=1),
    nonce="n" * 22,
)

keys = st.builds(
    Key,
    purpose=st.sampled_from(Purpose),
    reviewer=st.text(max_size=60),
    proven=st.booleans(),
    about=st.text(max_size=40),
    binding=st.text(max_size=64),
    expires_at=st.datetimes(min_value=datetime(2026, 4, 1), max_value=datetime(2099, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    nonce=st.text(min_size=16, max_size=64),
)
secrets = st.binary(min_size=32, max_size=64)


@given(key=keys, secret=secrets)
def test_a_key_says_what_was_put_into_it_and_can_stand_in_an_address(key, secret):
    text = seal(key, secret)
    assert unseal(text, key.purpose, [secret], NOW) == key
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


@given(data=st.data())
def test_any_changed_byte_is_refused(data):
    text = seal(KEY, SECRET).encode()
    at = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[at]))
    changed = text[:at] + bytes([byte]) + text[at + 1 :]
    assert unseal(changed.decode("latin-1"), KEY.purpose, [SECRET], NOW) is KeyFault.UNREADABLE


def test_every_change_of_one_sign_into_another_of_the_alphabet_is_refused():
    text = seal(KEY, SECRET)
    for at, here in enumerate(text):
        for sign in {"A", "B", "Q", "g", "w", "-", "_", ".", "="} - {here}:
            assert unseal(text[:at] + sign + text[at + 1 :], KEY.purpose, [SECRET], NOW) is KeyFault.UNREADABLE


@given(text=st.text(max_size=200))
def test_whatever_is_no_key_is_refused(text):
    assert unseal(text, Purpose.REVIEW, [SECRET], NOW) is KeyFault.UNREADABLE


@pytest.mark.parametrize("changed", ["", ".", "a.b", "a.b.c", "ä.ö", "x" * (LONGEST + 1)])
def test_texts_of_a_wrong_form_are_refused(changed):
    assert unseal(changed, Purpose.REVIEW, [SECRET], NOW) is KeyFault.UNREADABLE


@pytest.mark.parametrize("tail", ["=", ".", ".x", " ", "\n", "A"])
def test_a_key_has_one_spelling(tail):
    assert unseal(seal(KEY, SECRET) + tail, Purpose.REVIEW, [SECRET], NOW) is KeyFault.UNREADABLE


@pytest.mark.parametrize("purpose", [one for one in Purpose if one is not Purpose.REVIEW])
def test_a_key_for_one_thing_opens_no_other(purpose):
    assert unseal(seal(KEY, SECRET), purpose, [SECRET], NOW) is KeyFault.UNREADABLE


def test_a_key_ends_at_its_time_to_the_second():
    text = seal(KEY, SECRET)
    assert unseal(text, Purpose.REVIEW, [SECRET], KEY.expires_at - timedelta(microseconds=1)) == KEY
    assert unseal(text, Purpose.REVIEW, [SECRET], KEY.expires_at) is KeyFault.EXPIRED


def test_while_a_secret_is_replaced_keys_of_the_old_one_still_open():
    text = seal(KEY, SECRET)
    assert unseal(text, Purpose.REVIEW, [OTHER, SECRET], NOW) == KEY
    assert unseal(text, Purpose.REVIEW, [OTHER], NOW) is KeyFault.UNREADABLE
    assert unseal(text, Purpose.REVIEW, [], NOW) is KeyFault.UNREADABLE


def sealed(payload: bytes) -> str:
    text = base64.urlsafe_b64encode(payload).rstrip(b"=").decode()
    mac = hmac.new(SECRET, b"interlock key 1\n" + text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def test_the_form_of_a_key_is_the_documented_one():
    text = seal(KEY, SECRET)
    payload = text.partition(".")[0]
    assert sealed(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) == text


@pytest.mark.parametrize("payload", [b"", b"{}", b"no json", b'{"purpose":"review","later":1}', b"\xff"])
def test_what_another_version_has_sealed_is_refused_not_stumbled_over(payload):
    assert unseal(sealed(payload), Purpose.REVIEW, [SECRET], NOW) is KeyFault.UNREADABLE


def test_a_sealed_text_that_is_no_base64_is_refused():
    mac = hmac.new(SECRET, b"interlock key 1\nA", hashlib.sha256).digest()
    text = f"A.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert unseal(text, Purpose.REVIEW, [SECRET], NOW) is KeyFault.UNREADABLE
