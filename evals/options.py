"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="Name of a shipped policy, or path of a YAML file.", metavar="POLICY")]
DataFile = Annotated[Path, typer.Option("--data", help="Labelled items: .jsonl or .csv with id, text, label.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; the rest goes to stderr.")]
NoModel = Annotated[bool, typer.Option("--without-model", help="Ask no model: what the examples are worth alone.")]
