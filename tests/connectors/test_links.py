"""Links for reviewers: what is in one, and when none is made."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.links import link_secrets, login_link, review_link
from connectors.settings import Settings
from domain.errors import PolicyInvalid
from domain.keys import Key, Purpose, unseal

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECRET, FORMER = "n" * 32, "f" * 40


def settings(**given: object) -> Settings:
    known = {"link_secret": SECRET, "public_url": "https://reviews.example.com/", "link_hours": 2}
    return Settings.model_validate(known | given)


def key_of(link: str, purpose: Purpose, *secrets: str) -> Key:
    (text,) = parse_qs(urlsplit(link).query)["key"]
    key = unseal(text, purpose, [secret.encode() for secret in secrets or (SECRET,)], NOW)
    assert isinstance(key, Key)
    return key


def test_a_link_names_one_review_one_person_what_is_shown_and_an_end():
    link = review_link(settings(), "it-1", "b1", "ann@example.com", NOW)
    assert link.startswith("https://reviews.example.com/reviews/it-1?key=")
    key = key_of(link, Purpose.REVIEW)
    assert (key.about, key.reviewer, key.binding, key.proven) == ("it-1", "ann@example.com", "b1", True)
    assert key.expires_at == NOW + timedelta(hours=2)


def test_no_two_links_are_the_same():
    first, second = (review_link(settings(), "it-1", "b1", "ann@example.com", NOW) for _ in range(2))
    assert key_of(first, Purpose.REVIEW).nonce != key_of(second, Purpose.REVIEW).nonce


def test_the_name_of_a_review_cannot_leave_its_place_in_the_address():
    link = review_link(settings(), "it-1-fields-a/../b?c#d", "b1", "Ann", NOW)
    assert urlsplit(link).path == "/reviews/it-1-fields-a%2F..%2Fb%3Fc%23d"


def test_a_link_into_the_queue_is_for_one_person_and_for_no_review():
    link = login_link(settings(), "ann@example.com", NOW)
    assert link.startswith("https://reviews.example.com/reviews/login?key=")
    key = key_of(link, Purpose.LOGIN)
    assert (key.reviewer, key.about, key.proven) == ("ann@example.com", "", True)


@pytest.mark.parametrize("missing", [{"link_secret": ""}, {"public_url": ""}])
def test_without_a_secret_or_an_address_no_links_are_made(missing):
    assert review_link(settings(**missing), "it-1", "b1", "Ann", NOW) is None
    assert login_link(settings(**missing), "Ann", NOW) is None


def test_the_first_of_several_secrets_seals():
    link = login_link(settings(link_secret=f"{SECRET}, {FORMER}"), "Ann", NOW)
    assert key_of(link, Purpose.LOGIN, SECRET).reviewer == "Ann"


def test_all_of_them_open():
    assert link_secrets(settings(link_secret=f"{SECRET},{FORMER}")) == (SECRET.encode(), FORMER.encode())


@pytest.mark.parametrize("short", ["x" * 31, f"{SECRET},short"])
def test_a_secret_that_could_be_guessed_is_refused(short):
    with pytest.raises(PolicyInvalid, match="32 bytes"):
        link_secrets(settings(link_secret=short))
