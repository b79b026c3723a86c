"""Access tokens from a token endpoint: kept while they are good, and each failure told with the mend."""

from urllib.parse import parse_qs

import httpx
import pytest
import respx

from connectors.mail.oauth import EARLY_S, UNSAID_LIFE_S, AccessTokens, Grant, OAuthVariables, first_words, mechanism
from domain.errors import BadRequest, InterlockError, Throttled, TimedOut, Unauthorised, Unavailable

URL = "https://login.example.com/token"
GRANT = Grant(URL, "our-app", "app-word", "refresh-word", "mail", OAuthVariables.of("INTERLOCK_IMAP"))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> AccessTokens:
    return AccessTokens(GRANT, 1, clock)


def answering(mock: respx.MockRouter, *answers: httpx.Response | Exception) -> respx.Route:
    return mock.post(URL).mock(side_effect=[*answers])


def given(token: str, **more: object) -> httpx.Response:
    return httpx.Response(200, json={"access_token": token, "token_type": "Bearer", **more})


def asked(route: respx.Route) -> dict[str, list[str]]:
    return parse_qs(route.calls.last.request.content.decode())


async def test_a_token_is_asked_for_with_the_refresh_token(tokens, respx_mock):
    route = answering(respx_mock, given("t-1", expires_in=3600))

    assert await tokens.current() == "t-1"
    assert asked(route) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["refresh-word"],
        "client_id": ["our-app"],
        "client_secret": ["app-word"],
        "scope": ["mail"],
    }


async def test_what_an_application_has_not_is_not_sent(respx_mock):
    route = answering(respx_mock, given("t-1"))
    public = Grant(URL, "our-app", "", "refresh-word", "", GRANT.variables)

    await AccessTokens(public, 1).current()

    assert not {"client_secret", "scope"} & asked(route).keys()


@pytest.mark.parametrize(("said", "life_s"), [({"expires_in": 3600}, 3600), ({}, UNSAID_LIFE_S)])
async def test_a_token_is_kept_until_shortly_before_it_ends(tokens, clock, respx_mock, said, life_s):
    answering(respx_mock, given("t-1", **said), given("t-2", expires_in=3600))
    await tokens.current()

    clock.now += life_s - EARLY_S - 1
    assert await tokens.current() == "t-1"
    clock.now += 1
    assert await tokens.current() == "t-2"


async def test_a_token_that_is_dropped_is_fetched_anew_with_the_refresh_token_that_came_last(tokens, respx_mock):
    route = answering(respx_mock, given("t-1", expires_in=3600, refresh_token="newer-word"), given("t-2"))
    await tokens.current()

    tokens.drop()

    assert await tokens.current() == "t-2"
    assert asked(route)["refresh_token"] == ["newer-word"]


def refused(status: int, error: str, description: str = "") -> httpx.Response:
    return httpx.Response(status, json={"error": error, "error_description": description})


# what the endpoint does, what is raised, what it says
FAILURES: dict[str, tuple[httpx.Response | Exception, type[InterlockError], str]] = {
    "grant withdrawn": (
        refused(400, "invalid_grant", "AADSTS70008: expired"),
        Unauthorised,
        r"AADSTS70008: expired \(HTTP 400\)\. It has ended .* set INTERLOCK_IMAP_OAUTH_REFRESH_TOKEN",
    ),
    "unknown application": (
        refused(401, "invalid_client"),
        Unauthorised,
        "Check INTERLOCK_IMAP_OAUTH_CLIENT_ID and INTERLOCK_IMAP_OAUTH_CLIENT_SECRET",
    ),
    "application may not": (refused(400, "unauthorized_client"), Unauthorised, "Check INTERLOCK_IMAP_OAUTH_CLIENT_ID"),
    "scope unknown": (refused(400, "invalid_scope"), BadRequest, "INTERLOCK_IMAP_OAUTH_SCOPE"),
    "not an endpoint": (httpx.Response(404, text="<html>"), BadRequest, "Check INTERLOCK_IMAP_OAUTH_TOKEN_URL"),
    "throttled": (httpx.Response(429, headers={"Retry-After": "7"}), Throttled, "no token"),
    "broken": (httpx.Response(500), Unavailable, "HTTP 500"),
    "down": (httpx.Response(503, text="busy"), Unavailable, "HTTP 503"),
    "away": (httpx.ConnectError("refused"), Unavailable, "not reached: ConnectError"),
    "cut off": (httpx.RemoteProtocolError("cut"), Unavailable, "not reached: RemoteProtocolError"),
    "silent": (httpx.ReadTimeout("late"), TimedOut, "no answer in 1 s"),
    "a proxy's page": (httpx.Response(200, text="<html>"), Unavailable, "holds no token"),
    "no token in it": (httpx.Response(200, json={"access_token": ""}), Unavailable, "holds no token"),
}


@pytest.mark.parametrize(("answer", "raised", "told"), FAILURES.values(), ids=FAILURES)
async def test_a_failure_says_what_to_do(tokens, respx_mock, answer, raised, told):
    answering(respx_mock, answer)

    with pytest.raises(raised, match=told) as failure:
        await tokens.current()

    assert "OAuth login.example.com" in str(failure.value)
    assert getattr(failure.value, "retry_after_s", None) == (7 if raised is Throttled else None)


async def test_no_secret_is_shown_though_the_endpoint_repeats_it(tokens, respx_mock):
    answering(respx_mock, refused(400, "invalid_grant", "refresh-word of app-word"))

    with pytest.raises(Unauthorised) as failure:
        await tokens.current()

    shown = f"{failure.value!r} {failure.value.__cause__!r} {failure.value.__context__!r} {tokens!r} {GRANT!r}"
    assert "-word" not in shown


async def test_a_token_in_an_unreadable_answer_is_not_shown(tokens, respx_mock):
    answering(respx_mock, httpx.Response(200, json={"access_token": ["t-1-secret"]}))

    with pytest.raises(Unavailable) as failure:
        await tokens.current()

    assert "t-1-secret" not in f"{failure.value!r} {failure.value.__cause__!r}"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["PLAIN", "OAUTHBEARER", "XOAUTH2"], "XOAUTH2"),
        (["PLAIN", "OAUTHBEARER"], "OAUTHBEARER"),
        (["PLAIN", "LOGIN"], None),
        ([], None),
    ],
)
def test_of_what_a_server_offers_one_that_bears_tokens_is_taken(offered, chosen):
    assert mechanism(offered) == chosen


def test_what_a_client_says_first_is_as_the_providers_and_the_rfc_have_it():
    assert first_words("XOAUTH2", "ann@example.com", "t", "h", 143) == b"user=ann@example.com\x01auth=Bearer t\x01\x01"
    assert (
        first_words("OAUTHBEARER", "a,b=c", "t", "h", 143)
        == b"n,a=a=2Cb=3Dc,\x01host=h\x01port=143\x01auth=Bearer t\x01\x01"
    )
