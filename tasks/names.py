"""How runs are called in Prefect's UI."""

from collections.abc import Callable
from pathlib import Path

from prefect.context import TaskRunContext
from prefect.runtime import flow_run, task_run


def named(verb: str) -> Callable[[], str]:
    """A run's name: the verb and the policy's name, be it given by name or by path."""

    def name() -> str:
        run = task_run if TaskRunContext.get() else flow_run
        return f"{verb}-{Path(str(run.parameters['policy'])).stem}"

    return name
