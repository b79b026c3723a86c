"""Three-way merge, field by field, of what several systems say of one record.

Each system is held against its own base: what it showed when the systems last agreed, in its own
spelling. So what a vendor made of our write is no edit, and who changed nothing has no say. An
edit that nothing contradicts is taken everywhere; where edits contradict each other the field's
rule decides, and where it cannot, the field stands still until a person has decided. There is no
"last writer wins": clocks of different systems disagree, and a late poll is no late edit.

The idea is that of `diff3`: Khanna, Kunal and Pierce, "A Formal Investigation of Diff3" (2007).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from itertools import takewhile

from pydantic import Field, model_validator

from domain.values import Frozen

Spelling = Callable[[str], str]
"""Gives the one spelling that two values share if they mean the same; of its own result it changes nothing."""


HEAD = ""
"""Who set what is agreed on."""


class Kind(StrEnum):
    """How edits of several systems become one."""

    ASK = "ask"
    """They do not: a person decides."""
    UNION = "union"
    """Tags: what anybody added is in, what anybody removed is out."""
    APPEND = "append"
    """Notes: what each has added at the end, one after the other."""
    FORWARD = "forward"
    """Stages: the furthest of them; only the owner goes back."""


class FieldRule(Frozen):
    """What the policy says of a field.

    Attributes:
        owner: the system whose edit goes before all others, and which alone may clear the field.
        stages: of `forward`, in their order.
        separator: between the tags of `union`.
    """

    owner: str | None = Field(default=None, min_length=1)
    kind: Kind = Kind.ASK
    stages: tuple[str, ...] = ()
    separator: str = Field(default=",", min_length=1)

    @model_validator(mode="after")
    def _stages_belong_to_forward(self) -> "FieldRule":
        if (self.kind is Kind.FORWARD) != bool(self.stages):
            raise ValueError("stages go with 'kind: forward' and nothing else; add them or remove them")
        if len(set(self.stages)) < len(self.stages):
            raise ValueError("a stage stands twice in 'stages'; name each once")
        return self


class Side(Frozen):
    """A field in one system: as it is, and as it was when the systems last agreed. Empty is blank.

    `new`: nothing of it was heard before, so that whoever filled it in knew nothing of what is agreed on.
    """

    now: str = ""
    base: str = ""
    new: bool = False


class Why(StrEnum):
    """What made a field's value."""

    UNCHANGED = "unchanged"
    ONE_EDIT = "one_edit"
    SAME_EDIT = "same_edit"
    """Several made the same of it."""
    OWNER = "owner"
    UNION = "union"
    APPEND = "append"
    FORWARD = "forward"
    KEPT_FILLED = "kept_filled"
    """Somebody who may not do that cleared it."""
    PUT_BACK = "put_back"
    """Somebody changed it where it is only written to."""
    CONFLICT = "conflict"
    DECIDED = "decided"
    """A person has said it."""


class Merged(Frozen):
    """What becomes of a field.

    Attributes:
        value: what the systems are to agree on; in a conflict what they last agreed on, and nobody is written to.
        edited: the systems that changed the field, in the order of their names.
        writes: what is to be written where, by system.
    """

    value: str
    why: Why
    edited: tuple[str, ...] = ()
    writes: dict[str, str] = Field(default_factory=dict)


def merge(
    rule: FieldRule,
    agreed: str,
    sides: Mapping[str, Side],
    spelling: Spelling,
    set_by: Collection[str] = (),
    since: Collection[str] = (),
) -> Merged:
    """What becomes of one field; the same whatever the order of `sides`.

    A field that was never agreed on has a blank base and is blank in `agreed`: then whatever is
    filled in counts as an edit. An edit of a side whose base is not what is agreed on was made without
    knowing that: what is agreed on is then held against it. Where the owner has set that, or what others have made it
    of since, and the edit was made without knowing any of that, the owner's goes before it. Nobody
    contradicts what they alone have set, as long as it is the same record. Who clears a list of tags has removed them
    all; of everything else a blank is an edit only if it is the owner's.

    Args:
        agreed: what the systems last agreed on, perhaps without all of them holding it yet.
        sides: by system, at least one; a system that does not have the field is left out.
        set_by: the systems that made `agreed` what it is.
        since: where the owner is among them, what was agreed on since then, the owner's first.
    """
    same = meaning(rule, spelling)
    edits = {name: side.now for name, side in sorted(sides.items()) if same(side.now) != same(side.base)}
    clears = rule.kind is Kind.UNION
    counted = {name: value for name, value in edits.items() if value.strip() or clears or name == rule.owner}
    knowing = {name for name in counted if {*set_by} == {name} and not sides[name].new}
    unaware = {name for name in counted if name not in knowing and same(sides[name].base) != same(agreed)}
    late = unaware if _is_owners(rule, counted, set_by, same) else set()
    if any(not sides[name].new and same(sides[name].base) in {*map(same, since)} for name in late):
        late = set()  # who had seen it contradicts what others made of it
    heard = {name: value for name, value in counted.items() if name not in late}
    head = {HEAD: agreed} if unaware - late else {}
    value, why = _value(rule, agreed, head | heard, {name: sides[name] for name in heard}, same)
    if late and why is not Why.CONFLICT:
        alike = all(same(counted[name]) == same(value) for name in late)
        why = (Why.SAME_EDIT if why is Why.UNCHANGED else why) if alike else Why.OWNER
    if not counted and edits and same(agreed) != same(""):
        why = Why.KEPT_FILLED
    if why is Why.CONFLICT:
        return Merged(value=agreed, why=why, edited=tuple(edits))
    writes = {name: value for name, side in sorted(sides.items()) if same(side.now) != same(value)}
    return Merged(value=value, why=why, edited=tuple(edits), writes=writes)


def _is_owners(rule: FieldRule, counted: Mapping[str, str], set_by: Collection[str], same: Spelling) -> bool:
    """Whether what is agreed on is the owner's, or what others have made of that; an unknown stage is for a person.

    The owner who edits it anew speaks by that.
    """
    if rule.owner not in set_by or rule.owner in counted:
        return False
    return rule.kind is not Kind.FORWARD or not any(_unknown(rule.stages, one, same) for one in counted.values())


def meaning(rule: FieldRule, spelling: Spelling) -> Spelling:
    """The spelling that values of a field share if they mean the same by its rule: of tags, in whatever order."""
    return _tags_alike(rule, spelling) if rule.kind is Kind.UNION else spelling


def _value(
    rule: FieldRule, agreed: str, said: Mapping[str, str], edited: Mapping[str, Side], same: Spelling
) -> tuple[str, Why]:
    """The value, and why.

    Args:
        said: what the edits made of the field, and perhaps what is agreed on, as somebody's word.
        edited: the sides with an edit.
    """
    if not edited:
        return agreed, Why.UNCHANGED
    alike = len({same(value) for value in said.values()}) == 1
    if rule.kind is Kind.FORWARD and any(_unknown(rule.stages, value, same) for value in said.values()):
        return agreed, Why.CONFLICT
    if rule.owner is not None and (owners := said.get(rule.owner)) is not None:
        return owners, (_agreeing(said) if alike else Why.OWNER)
    if rule.kind is Kind.FORWARD:
        return _furthest(rule.stages, agreed, said, same)
    if alike:
        return (agreed if HEAD in said else min(said.values())), _agreeing(said)
    match rule.kind:
        case Kind.UNION:
            return _union(rule, agreed, edited, same), Why.UNION
        case Kind.APPEND:
            return _appended(agreed, edited)
        case _:
            return agreed, Why.CONFLICT


def _agreeing(edits: Mapping[str, str]) -> Why:
    return Why.ONE_EDIT if len(edits) == 1 else Why.SAME_EDIT


def _unknown(stages: Sequence[str], value: str, same: Spelling) -> bool:
    """Whether the policy does not name a stage: that is for a person, even if it is the owner's."""
    return bool(value.strip()) and same(value) not in {same(stage) for stage in stages}


def _furthest(stages: Sequence[str], agreed: str, edits: Mapping[str, str], same: Spelling) -> tuple[str, Why]:
    place = {same(stage): number for number, stage in enumerate(stages)}
    reached = [value for value in (agreed, *sorted(edits.values())) if same(value) in place]
    furthest = max(reached, key=lambda value: place[same(value)])
    moved = {name: value for name, value in edits.items() if same(value) == same(furthest)}
    return furthest, (_agreeing(edits) if len(moved) == len(edits) else Why.FORWARD)


def _tags(rule: FieldRule, value: str) -> list[str]:
    return [tag for tag in (part.strip() for part in value.split(rule.separator)) if tag]


def _tags_alike(rule: FieldRule, spelling: Spelling) -> Spelling:
    """Two lists of tags mean the same if they have the same tags, in whatever order."""

    def alike(value: str) -> str:
        return rule.separator.join(sorted({spelling(tag) for tag in _tags(rule, value)}))

    return alike


def _union(rule: FieldRule, agreed: str, edited: Mapping[str, Side], same: Spelling) -> str:
    """The tags that were agreed on without those that anybody removed, then the new ones."""
    had = {same(tag): tag for tag in _tags(rule, agreed)}
    added: dict[str, str] = {}
    for side in edited.values():
        before, after = ({same(tag): tag for tag in _tags(rule, text)} for text in (side.base, side.now))
        for gone in before.keys() - after.keys():
            had.pop(gone, None)
        for fresh in after.keys() - before.keys():
            added[fresh] = min(after[fresh], added.get(fresh, after[fresh]))
    return f"{rule.separator} ".join([*had.values(), *[added[tag] for tag in sorted(added.keys() - had.keys())]])


def _appended(agreed: str, edited: Mapping[str, Side]) -> tuple[str, Why]:
    """The lines that were agreed on, and those that each has added; a change of what stood there is for a person."""
    lines = _lines(agreed)
    for side in edited.values():
        base, now = _lines(side.base), _lines(side.now)
        if not base:  # it knew nothing of the rest, and may hold a part of that, or more
            base = lines[: len(_common(lines, now))] if _common(lines, now) in (lines, now) else []
        if now[: len(base)] != base:
            return agreed, Why.CONFLICT
        lines += _unsaid(lines[len(_common(lines, base)) :], now[len(base) :])
    return "\n".join(lines), Why.APPEND


def _unsaid(others: Sequence[str], added: Sequence[str]) -> Sequence[str]:
    """What a side has added, without what stands at the end of what others have added already."""
    longest = min(len(others), len(added))
    said = next((count for count in range(longest, 0, -1) if others[-count:] == added[:count]), 0)
    return added[said:]


def _common(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """The lines with which both begin."""
    return [line for line, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))]


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]
