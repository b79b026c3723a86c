"""Who may come to the reviews, and what a request proves."""

from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from connectors.settings import Settings
from console.web.access import COOKIE, SESSION, Access, Visitor
from domain.errors import PolicyInvalid
from domain.keys import Key, Purpose, seal

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECRET, TOKEN = "s" * 32, "t" * 32
HERE = "reviews.example.com"


def access(
    link_secret: str = SECRET,
    reviewers_token: str = "",
    *,
    on_loopback: bool = False,
    public_url: str = f"https://{HERE}",
) -> Access:
    settings = Settings.model_validate({"link_secret": link_secret, "reviewers_token": reviewers_token})
    return Access.configured(settings, on_loopback=on_loopback, public_url=public_url)


def open_access() -> Access:
    return access("", on_loopback=True, public_url="")


def request(**headers: str) -> Request:
    given = {"host": HERE} | {name.replace("_", "-"): value for name, value in headers.items()}
    pairs = [(name.encode(), value.encode()) for name, value in given.items() if value]
    return Request({"type": "http", "method": "POST", "path": "/reviews", "query_string": b"", "headers": pairs})


def status(check: object, *given: object) -> int:
    with pytest.raises(HTTPException) as caught:
        check(*given)  # type: ignore[operator]
    return caught.value.status_code


class TestConfigured:
    def test_on_loopback_with_nothing_set_whoever_is_on_the_machine_may_come(self):
        assert open_access().is_open

    @pytest.mark.parametrize("where", [{"on_loopback": False, "public_url": ""}, {"on_loopback": True}])
    def test_where_others_could_come_nothing_set_is_refused(self, where):
        with pytest.raises(PolicyInvalid, match="whoever reaches this address could decide"):
            access("", **where)

    @pytest.mark.parametrize("given", [(SECRET, ""), ("", TOKEN), (SECRET, TOKEN)])
    def test_a_secret_or_a_token_closes_it(self, given):
        assert not access(*given, on_loopback=True).is_open

    def test_links_hold_only_where_the_secret_is_the_installations(self):
        assert access().links
        assert not access("", TOKEN).links

    def test_a_token_that_could_be_guessed_is_refused(self):
        with pytest.raises(PolicyInvalid, match="shorter than 32"):
            access("", "t" * 31)


class TestCaller:
    @pytest.mark.parametrize("host", ["127.0.0.1:8710", "localhost", "localhost:8710", "[::1]:8710"])
    def test_an_open_page_is_for_this_machine(self, host):
        open_access().check_caller(request(host=host))

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8710", "127.0.0.1.evil.example", "", "10.0.0.1"])
    def test_a_site_that_took_this_machines_address_gets_nothing(self, host):
        assert status(open_access().check_caller, request(host=host)) == 403

    @pytest.mark.parametrize("name", ["x_forwarded_for", "forwarded", "x_real_ip", "via", "x_forwarded_host"])
    def test_an_open_page_is_not_given_through_a_proxy(self, name):
        assert status(open_access().check_caller, request(host="localhost", **{name: "203.0.113.9"})) == 403

    def test_a_guarded_page_may_be_anywhere(self):
        access().check_caller(request(host="anything.example", via="1.1 proxy"))


class TestOrigin:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"origin": "null"},
            {"origin": f"https://{HERE}"},
            {"host": "10.0.0.5:8710", "origin": "http://10.0.0.5:8710"},
            {"host": "10.0.0.5:8710", "origin": f"https://{HERE}"},
            {"sec_fetch_site": "same-origin"},
            {"sec_fetch_site": "same-origin", "origin": "null"},
            {"sec_fetch_site": "same-origin", "origin": f"https://{HERE}"},
        ],
    )
    def test_our_own_pages_may_send_forms(self, headers):
        access().check_origin(request(**headers))

    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "https://evil.example"},
            {"origin": f"https://{HERE}.evil.example"},
            {"origin": f"https://{HERE}:444"},
            {"origin": "https://"},
            {"origin": "garbage"},
            {"sec_fetch_site": "cross-site"},
            {"sec_fetch_site": "cross-site", "origin": "null"},
            {"sec_fetch_site": "same-site", "origin": "https://other.example.com"},
            {"sec_fetch_site": "none"},
        ],
    )
    def test_other_sites_may_not(self, headers):
        assert status(access().check_origin, request(**headers)) == 403


def signed_in(here: Access, name: str = "Ann", *, proven: bool = True, secure: bool = True) -> tuple[str, SimpleCookie]:
    response = Response()
    here.sign_in(response, name, NOW, proven=proven, secure=secure)
    cookie = SimpleCookie(response.headers["set-cookie"])
    return cookie[COOKIE].value, cookie


class TestSession:
    @pytest.mark.parametrize("proven", [True, False])
    def test_a_session_says_who_it_is_and_how_that_is_known(self, proven):
        here = access()
        cookie, _ = signed_in(here, "Ann Lee", proven=proven)
        visitor = here.visitor(request(cookie=f"{COOKIE}={cookie}"), NOW)
        assert (visitor.name, visitor.proven) == ("Ann Lee", proven)

    def test_its_cookie_is_kept_from_scripts_other_sites_and_plain_connections(self):
        _, cookie = signed_in(access())
        kept = cookie[COOKIE]
        assert (kept["samesite"], kept["path"]) == ("strict", "/reviews")
        assert kept["httponly"]
        assert kept["secure"]

    def test_on_a_plain_loopback_connection_it_is_sent_all_the_same(self):
        assert not signed_in(open_access(), secure=False)[1][COOKIE]["secure"]

    def test_it_ends(self):
        here = access()
        cookie, _ = signed_in(here)
        assert here.visitor(request(cookie=f"{COOKIE}={cookie}"), NOW + SESSION) is None

    def test_another_installations_or_no_session_is_none(self):
        cookie, _ = signed_in(access("o" * 32))
        assert access().visitor(request(cookie=f"{COOKIE}={cookie}"), NOW) is None
        assert access().visitor(request(), NOW) is None

    def test_the_key_of_a_link_is_no_session(self):
        key = Key(purpose=Purpose.REVIEW, reviewer="Ann", expires_at=NOW + SESSION, nonce="n" * 22)
        assert access().visitor(request(cookie=f"{COOKIE}={seal(key, SECRET.encode())}"), NOW) is None


class TestForm:
    ANN = Visitor("Ann", proven=True, session="s" * 22)

    def test_a_form_of_this_session_is_taken(self):
        here = access()
        here.check_form(self.ANN, here.form_key(self.ANN, NOW), NOW)

    @pytest.mark.parametrize("other", [Visitor("Ann", proven=True, session="o" * 22), Visitor("Ann", proven=True)])
    def test_a_form_of_another_session_is_not(self, other):
        here = access()
        assert status(here.check_form, self.ANN, here.form_key(other, NOW), NOW) == 403
        assert status(here.check_form, other, here.form_key(self.ANN, NOW), NOW) == 403

    @pytest.mark.parametrize("given", ["", "x.y"])
    def test_a_form_without_its_key_is_not(self, given):
        assert status(access().check_form, self.ANN, given, NOW) == 403

    def test_two_visitors_without_a_session_are_not_each_other(self):
        here, nobody = access(), Visitor("", proven=False)
        assert status(here.check_form, nobody, here.form_key(nobody, NOW), NOW) == 403

    def test_an_old_page_is_not(self):
        here = access()
        assert status(here.check_form, self.ANN, here.form_key(self.ANN, NOW), NOW + SESSION) == 403


class TestBearer:
    def test_the_token_lets_in_without_a_name(self):
        visitor = access("", TOKEN).bearer(request(authorization=f"Bearer {TOKEN}"), NOW)
        assert visitor == Visitor("", proven=False)

    def test_the_key_of_a_link_says_who_it_is(self):
        key = Key(purpose=Purpose.REVIEW, reviewer="Ann", expires_at=NOW + timedelta(hours=1), nonce="n" * 22)
        assert access().bearer(request(authorization=f"bearer {seal(key, SECRET.encode())}"), NOW) == key

    @pytest.mark.parametrize("given", ["", "Bearer", f"Bearer {TOKEN}x", "Bearer ä", f"Basic {TOKEN}", "Bearer x.y"])
    def test_anything_else_is_nobody(self, given):
        assert access("", TOKEN).bearer(request(authorization=given), NOW) is None

    def test_where_there_is_no_token_an_empty_one_opens_nothing(self):
        assert access().bearer(request(authorization="Bearer "), NOW) is None
        assert not access().knows("")

    def test_on_an_open_page_programs_need_none(self):
        assert open_access().bearer(request(host="localhost"), NOW) == Visitor("", proven=False)
