"""Environment variables that stand for a secret in Prefect: `INTERLOCK_X=prefect-secret:block-name`.

What is read here goes into the connectors, and nowhere else: not back into the environment,
which child processes inherit.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from prefect.blocks.system import Secret
from prefect.settings import get_current_settings

from connectors.http_outcomes import HttpFailure
from domain.errors import PolicyInvalid, Unavailable

SCHEME = "prefect-secret:"
BLOCK_NAME = re.compile(r"[a-z0-9-]+")
"""What Prefect takes for the name of a block."""


async def resolved(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, with the secret in place of each value that names a block.

    Raises:
        PolicyInvalid: there is no such block, or no Prefect to ask; names variable and block.
        Unavailable: Prefect does not answer.
    """
    named = {variable: value.removeprefix(SCHEME) for variable, value in environ.items() if value.startswith(SCHEME)}
    blocks: dict[str, str] = {}
    for variable, block in named.items():
        if block not in blocks:
            blocks[block] = await _secret(variable, block)
    return {**environ, **{variable: blocks[block] for variable, block in named.items()}}


def resolved_now(environ: Mapping[str, str]) -> dict[str, str]:
    """`resolved`, where no event loop runs; starts none where no value names a block."""
    if not any(value.startswith(SCHEME) for value in environ.values()):
        return dict(environ)
    return asyncio.run(resolved(environ))


async def _secret(variable: str, block: str) -> str:
    who = f"{variable} names the Prefect block '{block}'"
    if not BLOCK_NAME.fullmatch(block):
        raise PolicyInvalid(f"{who}, which is no block's name: write {SCHEME} and lower-case letters, digits, dashes")
    if not get_current_settings().api.url:
        raise PolicyInvalid(f"{who}, and there is no Prefect to ask: set PREFECT_API_URL")
    try:
        found: Secret[Any] = await Secret.aload(block)
    except ValueError as exc:
        mend = f"Make a block of type Secret with that name, or set {variable} to another"
        raise PolicyInvalid(f"{who}, and Prefect has no Secret of that name. {mend}") from exc
    except HttpFailure as exc:
        raise Unavailable(f"{who}, and Prefect does not answer: {type(exc).__name__}") from exc
    secret: object = found.value.get_secret_value()  # not get(), which makes a number of a key of digits
    if not isinstance(secret, str):
        raise PolicyInvalid(f"{who}, which holds no text. Put the secret in as a text")
    return secret
