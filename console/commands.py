"""A command line whose commands' modules are imported when they are called: all of them take seconds."""

from collections.abc import Mapping
from importlib import import_module
from typing import ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


class Commands(TyperGroup):
    """Commands by name.

    Attributes:
        places: where each is, as `module:attribute`: a function, or a Typer of several.
    """

    places: ClassVar[Mapping[str, str]]

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002  Typer's signature
        """Their names, in the order of the help."""
        return list(self.places)

    def get_command(self, ctx: object, cmd_name: str) -> TyperCommand | TyperGroup | None:  # noqa: ARG002  Typer's signature
        """The command of a name; None if there is none."""
        if cmd_name not in self.places:
            return None
        module, _, attribute = self.places[cmd_name].partition(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            group = get_group(found)
            group.name = cmd_name
            return group
        alone = typer.Typer(add_completion=False)
        alone.command(cmd_name)(found)
        command = get_command(alone)
        return command if isinstance(command, TyperCommand) else None
