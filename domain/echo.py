"""Whether a change that a source tells of is nothing but a write of ours that comes back."""

import re
from collections.abc import Collection, Mapping


def is_echo(written: Mapping[str, str], change: str, fields: Mapping[str, object], told: Collection[str]) -> bool:
    """Whether a change of a record that carries our operation's id is that operation, come back.

    The id stays on the record after others changed it. So only the first change with it is an
    echo, and only if it holds what was written: what the record holds besides, or holds
    otherwise, somebody else put there.

    Args:
        written: the operation's values; those that the change does not show are not compared.
        change: the change's own id at its source.
        fields: what the record holds now, by the names of the source.
        told: changes that were taken for this operation's echo before.
    """
    if told and change not in told:
        return False
    held = {_name(name): str(value) for name, value in fields.items()}
    return all(_alike(value, held[_name(name)]) for name, value in written.items() if _name(name) in held)


def _name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold())


def _alike(one: str, other: str) -> bool:
    """Whether two spellings are one value to the systems that keep them: `Ann@x.org `, `ann@x.org`; `5.0`, `5`."""
    left, right = " ".join(one.split()).casefold(), " ".join(other.split()).casefold()
    if left == right:
        return True
    try:
        return float(left) == float(right)
    except ValueError:
        return False
