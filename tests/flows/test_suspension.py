"""What Prefect's UI is given to ask of a reviewer."""

import pytest
from builders import NOW
from pydantic import ValidationError

from domain.review import Form
from flows.suspension import form_model

FORM = Form(
    markdown="Is anything missing?",
    label="What now",
    choices={"complete": "the texts below are right", "give_up": "nothing is written"},
    preselected="complete",
    inputs={"note": "the customer's own note", "copy": "who gets a copy"},
    binding="b",
    due_at=NOW,
    late=False,
)


def test_the_choice_is_required_and_the_preset_stands_in_the_schema_only() -> None:
    schema = form_model(FORM).model_json_schema()

    assert schema["required"] == ["choice", "reviewer"]
    assert schema["properties"]["choice"] == {
        "default": "complete",
        "enum": ["complete", "give_up"],
        "title": "What now",
        "type": "string",
    }
    with pytest.raises(ValidationError):
        form_model(FORM).model_validate({"reviewer": "Ada"})


def test_each_text_that_is_asked_for_is_an_optional_field_whatever_its_name() -> None:
    model = form_model(FORM)
    filled = model.model_validate({"choice": "complete", "reviewer": "Ada", "input_copy": "Bob"})

    assert filled.model_dump(exclude={"choice", "reviewer"}) == {"input_note": "", "input_copy": "Bob", "note": ""}
    assert model.model_json_schema()["properties"]["input_note"]["description"] == "the customer's own note"
