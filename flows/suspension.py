"""How a flow run waits for a person: suspended, holding no process."""

from typing import Any, Literal
from uuid import UUID

from prefect.context import FlowRunContext
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from prefect.input.actions import acreate_flow_run_input, adelete_flow_run_input, aread_flow_run_input
from prefect.input.run_input import Keyset, keyset_from_base_key
from pydantic import Field, create_model

from domain.review import Answer, Form
from tasks.forms import INPUT, SUSPENDED


class Asked(RunInput):
    """A form that is kept before its run is suspended, as one that is suspended without it could never be resumed."""

    @classmethod
    async def keep(cls, keyset: Keyset) -> None:
        """Give this run the form."""
        await super().asave(keyset)

    @classmethod
    async def asave(cls, keyset: Keyset, flow_run_id: UUID | None = None) -> None:
        """Nothing: Prefect would save it after the run is suspended, and its process may not live so long."""


async def ask(form: Form, key: str) -> Answer:
    """Suspend this flow run until the form is answered; its process ends and another goes on.

    Called again under the same key after the answer, it returns the answer, as one to the form that was shown then:
    `form` may have been made anew meanwhile, by a worker that has not what others kept. Everything that
    can be checked while the reviewer still sees the form is in the form's schema: Prefect
    refuses what does not fit, and the run stays suspended.

    Args:
        key: of this asking within the flow run; lower case, digits and dashes only, as
            Prefect leaves a run with any other stuck.
    """
    given = await _stored_answer(key)
    if given is None:
        model = form_model(form)
        await acreate_flow_run_input(_shown(key), form.model_dump(include={"binding", "late"}))
        await model.keep(keyset_from_base_key(f"{SUSPENDED}{key}"))
        given = (await asuspend_flow_run(wait_for_input=model, key=key)).model_dump()
    shown = form.model_copy(update=await aread_flow_run_input(_shown(key)))
    return Answer(
        choice=given["choice"],
        inputs={name: given.get(f"{INPUT}{name}", "") for name in form.inputs},
        reviewer=given["reviewer"],
        note=given.get("note", ""),
        binding=shown.binding,
        aware_late=shown.late,
    )


def form_model(form: Form) -> type[Asked]:
    """The form: a required drop-down, perhaps with a preset, the texts that are asked for, the name, a note.

    The preset stands in the JSON schema only: as a default of the model it would make the
    field optional, and an empty answer would silently take it.
    """
    preset: dict[str, Any] = {"default": form.preselected} if form.preselected else {}
    inputs: dict[str, Any] = {
        f"{INPUT}{name}": (str, Field(default="", max_length=2000, title=name.replace("_", " "), description=meaning))
        for name, meaning in form.inputs.items()
    }
    model = create_model(
        "Review",
        __base__=Asked,
        choice=(Literal[tuple(form.choices)], Field(title=form.label, json_schema_extra=preset)),  # type: ignore[arg-type]  # made at run time
        **inputs,
        reviewer=(str, Field(title="Reviewer", min_length=1, max_length=200, pattern=r"\S")),
        note=(str, Field(default="", max_length=2000, title="Note")),
    )
    return model.with_initial_data(description=described(form))


def described(form: Form) -> str:
    """What is read above the fields, and what each choice means: a drop-down shows names alone."""
    choices = "\n".join(f"- `{choice}`: {meaning}" for choice, meaning in form.choices.items())
    return f"{form.markdown}\n\n**{form.label}**\n\n{choices}\n"


def _shown(key: str) -> str:
    return f"{SUSPENDED}{key}-shown"


async def _stored_answer(key: str) -> dict[str, Any] | None:
    """The answer that Prefect has for `key`, if one came before this process began.

    When a crashed run is rescheduled, Prefect forgets that it was suspended but keeps the
    old form, and could never be resumed: the old form is removed, so that it suspends anew.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError("only a flow run can wait for a person")
    keys = keyset_from_base_key(f"{SUSPENDED}{key}")
    answer: dict[str, Any] | None = await aread_flow_run_input(keys["response"])
    if answer:
        return answer
    if key not in (context.flow_run.empirical_policy.pause_keys or ()):
        for stale in (keys["schema"], keys["description"], _shown(key)):
            if await aread_flow_run_input(stale):
                await adelete_flow_run_input(stale)
    return None
