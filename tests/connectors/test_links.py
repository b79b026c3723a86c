"""Links for reviewers: what is in one, and when none is made."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.links import link_secrets, login_link, review_link, with_link, without_key
from connectors.settings import Settings
from domain.delivery import Invalid, Invitation, Operation, Written
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


def mail(invites: Invitation | None, system: str = "smtp") -> Operation:
    return Operation(
        operation_id="op-1",
        item_id="as-1",
        policy="tiny",
        destination="notice to Ann",
        system=system,
        record_key="as-1/Ann",
        values={"to": "ann@example.com", "body": "a review is yours"},
        invites=invites,
    )


ONE = Invitation(reviewer="Ann", review_id="it-1", binding="b1")


def test_a_message_has_its_link_as_the_last_line():
    lines = with_link(settings(), mail(ONE), NOW).values["body"].splitlines()
    assert lines[:2] == ["a review is yours", "Look and decide, by a link that is yours alone and decides once:"]
    key = key_of(lines[2], Purpose.REVIEW)
    assert (key.about, key.reviewer, key.binding) == ("it-1", "Ann", "b1")


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(mail(None), id="one that invites nobody"),
        pytest.param(mail(ONE, "sandbox_crm"), id="one that no person reads"),
    ],
)
def test_another_write_stays_as_it_is(write):
    assert with_link(settings(), write, NOW) == write


def test_what_invites_is_kept_with_the_message_and_holds_no_key():
    assert ONE.model_dump() == {"reviewer": "Ann", "review_id": "it-1", "binding": "b1"}
    assert with_link(settings(), mail(ONE), NOW).invites == ONE


@pytest.mark.parametrize("told", [ONE, Invitation(reviewer="Ann")])
def test_a_server_that_quotes_a_link_tells_nobody_its_key(told):
    sent = with_link(settings(), mail(told), NOW)
    seal = sent.values["body"].rpartition(".")[2]
    assert len(seal) == 43
    for quoted in (sent.values["body"], seal, f"{seal[:20]}=\r\n{seal[20:]}", seal[5:]):
        refused = without_key(Invalid(detail=f"554 blocked: {quoted}"), sent)
        assert isinstance(refused, Invalid)
        assert refused.detail.startswith("554 blocked: ")
        assert not any(seal[at : at + 8] in refused.detail for at in range(36))
    assert without_key(Written(kind="created", external_id=seal), sent) != Written(kind="created", external_id=seal)


def test_where_there_is_no_key_what_a_server_says_stays_as_it_is():
    plain = with_link(settings(link_secret=""), mail(ONE), NOW)
    refused = Invalid(detail=f"554 blocked: {plain.values['body']}")
    assert plain.values["body"].endswith("https://reviews.example.com/reviews/it-1")
    assert without_key(refused, plain) == without_key(refused, mail(None)) == refused
