"""Whether a webhook is trusted, and what its delivery is called."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Signer

from connectors.webhooks import LONGEST_ID, Delivery, HubSpotV3, Scheme, StandardWebhooks, Unsigned, open_scheme
from domain.errors import InputInvalid, PolicyInvalid
from policies.webhooks import Webhook

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OLD, NEW, STRANGE = (f"whsec_{base64.b64encode(word * 4).decode()}" for word in (b"old-one!", b"new-one!", b"strange!"))
BODY = b'{"message": "my invoice is wrong"}'
CLIENT = "client-secret"
ADDRESS = "https://hooks.example.com/intake/leads?portal=7"


def standard(*secrets: str) -> Scheme:
    return StandardWebhooks([Signer(secret) for secret in secrets])


def signed(secret: str = OLD, *, age: timedelta = timedelta(0), body: bytes = BODY, **changes: str) -> Delivery:
    """A delivery that was signed `age` ago; `changes` replace headers afterwards."""
    at = datetime.now(UTC) - age
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Signer(secret).sign("msg_1", at, body.decode("latin-1")),
    }
    return Delivery("POST", ADDRESS, headers | {name.replace("_", "-"): text for name, text in changes.items()}, body)


class TestStandardWebhooks:
    def test_what_is_signed_with_the_secret_is_trusted(self):
        assert standard(OLD).doubt(signed()) is None

    def test_while_a_secret_is_replaced_both_hold(self):
        assert standard(NEW, OLD).doubt(signed(OLD)) is None
        assert standard(NEW, OLD).doubt(signed(NEW)) is None

    def test_of_several_signatures_one_that_fits_suffices(self):
        fitting = signed().headers["webhook-signature"]
        for others in ("v1,bm90IHRoaXM=", "v1a,YXN5bW1ldHJpYw==", "v1", "nonsense", "v1,not base64!", ",,"):
            assert standard(OLD).doubt(signed(webhook_signature=f"{others} {fitting}")) is None

    @pytest.mark.parametrize(
        ("delivery", "why"),
        [
            (lambda: signed(STRANGE), "No matching signature"),
            (lambda: signed(age=timedelta(minutes=5, seconds=2)), "too old"),
            (lambda: signed(age=timedelta(minutes=-5, seconds=-30)), "too new"),
            (lambda: signed(webhook_id="msg_2"), "No matching signature"),
            (lambda: signed(webhook_signature=""), "Missing required headers"),
            (lambda: signed(webhook_signature="v1,%%%"), "Missing required headers"),
            (lambda: signed(webhook_timestamp="yesterday"), "Invalid Signature Headers"),
            (lambda: signed(webhook_timestamp="1e400"), "Invalid Signature Headers"),
            (lambda: Delivery("POST", ADDRESS, {}, BODY), "Missing required headers"),
            (lambda: Delivery("POST", ADDRESS, signed().headers, BODY + b" "), "No matching signature"),
            (lambda: signed(body=b"\xff"), "not UTF-8"),
        ],
    )
    def test_everything_else_is_doubted_and_told_why(self, delivery, why):
        assert why in (standard(OLD).doubt(delivery()) or "trusted")

    @given(st.text(), st.text(), st.text(), st.binary())
    def test_no_header_and_no_body_makes_it_stumble(self, message, stamp, signature, body):
        headers = {"webhook-id": message, "webhook-timestamp": stamp, "webhook-signature": signature}
        assert standard(OLD, NEW).doubt(Delivery("POST", ADDRESS, headers, body)) is not None

    def test_a_delivery_is_called_by_its_message_id(self):
        assert standard(OLD).external_id(signed(), {}, NOW) == "msg_1"
        with pytest.raises(InputInvalid, match="webhook-id"):
            standard(OLD).external_id(signed(webhook_id="m" * (LONGEST_ID + 1)), {}, NOW)


def hubspot_signature(secret: str, url: str, stamp: int, body: bytes = BODY) -> str:
    """As HubSpot's documentation has it, for a POST."""
    source = b"POST" + url.encode() + body + str(stamp).encode()
    return base64.b64encode(hmac.new(secret.encode(), source, hashlib.sha256).digest()).decode()


def from_hubspot(
    *, secret: str = CLIENT, url: str = ADDRESS, signed_url: str = ADDRESS, age: timedelta = timedelta(0)
) -> Delivery:
    stamp = int((NOW - age).timestamp() * 1000)
    signature = hubspot_signature(secret, signed_url, stamp)
    headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": str(stamp)}
    return Delivery("POST", url, headers, BODY)


class TestHubSpot:
    scheme = HubSpotV3([b"next-secret", CLIENT.encode()], clock=lambda: NOW)

    def test_a_signature_made_by_hand_fits(self):
        """Computed with `openssl dgst -sha256 -hmac client-secret -binary | base64`."""
        stamp = int(NOW.timestamp() * 1000)
        assert stamp == 1772442000000
        by_hand = "oxs3gh8Azi8LlHnppAkcEEKQ8N99jSMPexWZQIGJDyo="
        assert hubspot_signature("client-secret", ADDRESS, stamp) == by_hand

    @pytest.mark.parametrize(
        "delivery",
        [
            from_hubspot(),
            from_hubspot(secret="next-secret"),
            from_hubspot(age=timedelta(minutes=5)),
            from_hubspot(age=timedelta(minutes=-5)),
            from_hubspot(url=f"{ADDRESS}&to=a%40b.c", signed_url=f"{ADDRESS}&to=a%40b.c"),
            from_hubspot(url=f"{ADDRESS}&to=a%40b.c", signed_url=f"{ADDRESS}&to=a@b.c"),
        ],
        ids=["first", "after rotation", "just in time", "clock behind", "escaped", "signed unescaped"],
    )
    def test_what_hubspot_signed_is_trusted(self, delivery):
        assert self.scheme.doubt(delivery) is None

    @pytest.mark.parametrize(
        ("delivery", "why"),
        [
            (from_hubspot(secret="stranger"), "does not fit"),
            (from_hubspot(age=timedelta(minutes=5, milliseconds=1)), "5 minutes off"),
            (from_hubspot(age=timedelta(minutes=-5, milliseconds=-1)), "5 minutes off"),
            (from_hubspot(signed_url="http://127.0.0.1:8710/intake/leads?portal=7"), "public address"),
            (Delivery("PUT", ADDRESS, from_hubspot().headers, BODY), "does not fit"),
            (Delivery("POST", ADDRESS, from_hubspot().headers, BODY + b"\n"), "does not fit"),
            (Delivery("POST", ADDRESS, {}, BODY), "not signed"),
            (Delivery("POST", ADDRESS, {"x-hubspot-signature-v3": "x"}, BODY), "not signed"),
        ],
    )
    def test_everything_else_is_doubted_and_told_why(self, delivery, why):
        assert why in (self.scheme.doubt(delivery) or "trusted")

    @pytest.mark.parametrize("stamp", ["soon", "-1", "1.7e12", "\u0661", "9" * 400, " ", "0x10"])
    def test_a_time_that_is_none_is_doubted(self, stamp):
        headers = {"x-hubspot-signature-v3": "x", "x-hubspot-request-timestamp": stamp}
        assert self.scheme.doubt(Delivery("POST", ADDRESS, headers, BODY)) is not None

    @given(st.text(), st.text(), st.binary())
    def test_no_header_and_no_body_makes_it_stumble(self, signature, stamp, body):
        headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": stamp}
        assert self.scheme.doubt(Delivery("POST", ADDRESS, headers, body)) is not None

    def test_an_event_sent_again_has_its_name_again(self):
        event = {"eventId": 100, "objectId": 5, "attemptNumber": 0}
        again = self.scheme.external_id(from_hubspot(), event | {"attemptNumber": 3}, NOW)
        assert self.scheme.external_id(from_hubspot(), event, NOW) == again
        assert again.startswith("100-")

    def test_two_events_with_one_id_are_two_since_hubspot_does_not_promise_that_it_is_unique(self):
        first, second = ({"eventId": 100, "objectId": number} for number in (5, 6))
        ids = {self.scheme.external_id(from_hubspot(), event, NOW) for event in (first, second)}
        assert len(ids) == 2

    def test_an_event_without_an_id_is_called_by_what_it_says(self):
        assert self.scheme.external_id(from_hubspot(), {"objectId": 5}, NOW).startswith("event-")


def plain(**headers: str) -> Delivery:
    return Delivery("POST", ADDRESS, {name.replace("_", "-"): text for name, text in headers.items()}, BODY)


class TestUnsigned:
    def test_programs_on_this_machine_are_trusted_where_only_they_reach_it(self):
        assert Unsigned(loopback=True).doubt(plain()) is None

    @pytest.mark.parametrize("header", ["forwarded", "x_forwarded_for", "origin", "via"])
    def test_who_comes_by_a_proxy_or_from_a_page_in_a_browser_is_not_from_this_machine(self, header):
        assert "sign it" in (Unsigned(loopback=True).doubt(plain(**{header: "x"})) or "trusted")
        assert Unsigned(loopback=False).doubt(plain(**{header: "x"})) is None

    def test_the_senders_own_id_names_a_delivery(self):
        scheme = Unsigned(loopback=True)
        assert scheme.external_id(plain(idempotency_key="k-1", webhook_id="m-1"), {}, NOW) == "k-1"
        assert scheme.external_id(plain(webhook_id="m-1"), {}, NOW) == "m-1"

    def test_without_one_the_content_and_the_day_do(self):
        scheme, event = Unsigned(loopback=True), {"message": "hello \ud800"}
        same = {scheme.external_id(plain(), event, NOW + timedelta(hours=hours)) for hours in (0, 14)}
        assert len(same) == 1
        assert scheme.external_id(plain(), event, NOW + timedelta(days=1)) not in same
        assert scheme.external_id(plain(), {"message": "other"}, NOW) not in same


class TestOpening:
    STANDARD = Webhook(signature="standard_webhooks", secrets=("A_SECRET", "B_SECRET"))
    HUBSPOT = Webhook(signature="hubspot_v3", secrets=("A_SECRET",))

    def opened(self, webhook: Webhook, *, on_loopback: bool = True, public_url: str = "", **environ: str) -> Scheme:
        return open_scheme(webhook, environ, on_loopback=on_loopback, public_url=public_url)

    def test_one_secret_of_those_that_are_named_suffices(self):
        assert self.opened(self.STANDARD, B_SECRET=OLD, A_SECRET=" ").doubt(signed()) is None

    def test_hubspots_needs_the_address_that_it_calls(self):
        assert isinstance(self.opened(self.HUBSPOT, A_SECRET="x", public_url="https://a.example"), HubSpotV3)
        with pytest.raises(PolicyInvalid, match="INTERLOCK_PUBLIC_URL"):
            self.opened(self.HUBSPOT, A_SECRET="x")

    def test_unsigned_strangers_are_let_in_only_if_the_policy_says_so(self):
        assert self.opened(Webhook()).doubt(plain(origin="x")) is not None
        assert self.opened(Webhook(signature="none"), on_loopback=False).doubt(plain(origin="x")) is None
        with pytest.raises(PolicyInvalid, match="standard_webhooks"):
            self.opened(Webhook(), on_loopback=False)

    def test_a_missing_secret_is_named(self):
        with pytest.raises(PolicyInvalid, match="set A_SECRET or B_SECRET"):
            self.opened(self.STANDARD)

    @pytest.mark.parametrize("secret", ["whsec_", "whsec_\u00fc", "whsec_a", "="])
    def test_an_unusable_secret_is_named_and_not_shown(self, secret):
        with pytest.raises(PolicyInvalid, match="A_SECRET is no secret") as told:
            self.opened(self.STANDARD, A_SECRET=secret)
        assert secret not in str(told.value).replace("'whsec_'", "")
