"""What a policy says of webhooks, and which fields it takes from a payload."""

import pytest
from pydantic import ValidationError
from tiny import write_tiny

from domain.errors import PolicyInvalid
from policies.load import load_workflow
from policies.webhooks import Webhook, payload_fields

PAYLOAD = {
    "type": "contact.created",
    "message": "an event",
    "data": {"text": "my invoice is wrong", "contacts": [{"email": "ann@example.com"}, {"email": None}]},
    "count": 3,
    "live": True,
    "gone": None,
}


@pytest.mark.parametrize(
    ("fields", "name", "taken"),
    [
        ({}, "message", "an event"),
        ({}, "count", "3"),
        ({}, "live", "true"),
        ({}, "gone", None),
        ({"message": "data.text"}, "message", "my invoice is wrong"),
        ({"email": "data.contacts.0.email"}, "email", "ann@example.com"),
        ({"email": "data.contacts.1.email"}, "email", None),
        ({"email": "data.contacts.2.email"}, "email", None),
        ({"email": "data.contacts.x.email"}, "email", None),
        ({"email": "data.contacts.\u0661.email"}, "email", None),
        ({"email": "type.email"}, "email", None),
        ({"message": "data.nothing"}, "message", None),
        ({"message": "data.contacts.0"}, "message", '{"email": "ann@example.com"}'),
        ({"message": "data.text"}, "type", "contact.created"),
    ],
)
def test_fields_are_taken_from_where_the_policy_says_or_by_their_own_name(fields, name, taken):
    assert payload_fields(PAYLOAD, Webhook(fields=fields).fields).get(name) == taken


@pytest.mark.parametrize("path", ["", ".", "a..b", ".a", "a."])
def test_a_path_without_a_key_is_refused(path):
    with pytest.raises(ValidationError):
        Webhook(fields={"message": path})


@pytest.mark.parametrize(
    ("signature", "secrets"),
    [("loopback", ["A"]), ("none", ["A"]), ("standard_webhooks", []), ("hubspot_v3", [])],
)
def test_secrets_go_with_a_signature_and_with_nothing_else(signature, secrets):
    with pytest.raises(ValidationError, match="secrets go with"):
        Webhook(signature=signature, secrets=secrets)


def test_a_secret_is_named_never_written(tmp_path):
    with pytest.raises(ValidationError):
        Webhook(signature="standard_webhooks", secrets=["whsec_c2VjcmV0"])


def test_a_field_that_the_input_does_not_have_is_told_with_its_line(tmp_path):
    with pytest.raises(PolicyInvalid, match=r"intake\.webhook\.fields\.colour: 'colour' is not in input\.fields"):
        write_tiny(tmp_path, intake={"webhook": {"fields": {"message": "data.text", "colour": "data.colour"}}})


def test_without_a_word_on_it_only_programs_on_this_machine_may_send(tmp_path):
    webhook = load_workflow(write_tiny(tmp_path)).policy.intake.webhook
    assert (webhook.signature, webhook.largest_body_kb) == ("loopback", 256)
