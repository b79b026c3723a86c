"""Judges what became of people's edits in systems that were kept in step, by the systems' own books.

Each edit must stand in every system, or have been replaced by somebody who saw it, or overruled by a rule that the
history tells of, or be open to a person. Each value must be somebody's. What is open must be a contradiction of
people who did not know of each other.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from domain.merge import Kind, Why
from evals.sync_story import Change, Fault, Finding, Story, Told, lines, meaning, parts, same, tags


def judged(story: Story) -> list[Finding]:
    """The faults of a story; none if all is well."""
    return [Finding(fault, story.thing, story.field, why) for fault, why in _faults(story)]


def _faults(story: Story) -> Iterator[tuple[Fault, str]]:
    typed = [change for change in story.changes if change.edit is not None]
    for number, change in enumerate(story.changes):
        if change.edit is not None:
            for part in _lost(story, change, story.changes[number + 1 :]):
                yield Fault.LOST, f"edit {change.edit} in {change.system}: {part}"
    if story.kind is Kind.APPEND:
        yield from _twice(story)
    if story.contested:
        if not _is_real(story, typed):
            yield Fault.UNEXPLAINED, f"nobody contradicted anybody: {dict(story.contested)}"
        for change in _touched(story):
            yield Fault.UNEXPLAINED, f"'{change.after}' was written to {change.system} while a person was asked"
    elif not story.refused and len({meaning(story.kind, text) for text in story.held.values()}) > 1:
        yield Fault.UNEXPLAINED, f"the systems differ: {dict(story.held)}"
    known = {part for change in typed for part in parts(story.kind, change.after)}
    for system, text in story.held.items():
        if strange := sorted(parts(story.kind, text) - known):
            yield Fault.UNEXPLAINED, f"nobody made it '{strange[0]}' in {system}"


def _lost(story: Story, edit: Change, later: Sequence[Change]) -> Iterator[str]:
    """What of an edit stands nowhere, and was neither replaced, overruled nor left to a person."""
    held = [story.agreed, *story.contested.values(), *story.held.values()] if story.contested else []
    match story.kind:
        case Kind.APPEND:
            for line in lines(edit.after) - lines(edit.before):
                everywhere = all(line in lines(text) for text in story.held.values())
                if not everywhere and not any(line in lines(text) for text in held):
                    yield f"'{line}' is not everywhere"
        case Kind.UNION:
            before, after = tags(edit.before), tags(edit.after)
            for tag in sorted(before ^ after):
                if not _tag_is_known(story, edit, later, tag, on=tag in after) and not held:
                    yield f"'{tag}' was {'added' if tag in after else 'removed'}, and is not so everywhere"
        case _:
            if not any(same(text) == same(edit.after) for text in held) and not _value_is_known(story, edit, later):
                yield f"'{edit.after}' stands nowhere"


def _value_is_known(story: Story, edit: Change, later: Sequence[Change]) -> bool:
    value = same(edit.after)

    def is_value(text: str) -> bool:
        return same(text) == value

    stands = all(map(is_value, story.held.values()))
    replaced = _is_replaced(story, edit, later, is_value)
    told = any(_overrules(story, move, edit) or _replaces(story, move, edit) for move in story.moves)
    told = told or _is_followed(story, edit, later)
    return stands or replaced or told or _is_put_back(story, edit, is_value) or _is_no_news(story, edit, is_value)


def _is_replaced(story: Story, edit: Change, later: Sequence[Change], has: Callable[[str], bool]) -> bool:
    """Whether a person replaced what an edit made where it was seen: a system that shows it since, or was written it.

    The same value that somebody makes anew once no system shows it any more is another one.
    """
    so_far = story.changes[: len(story.changes) - len(later)]
    shown = dict.fromkeys(story.held, "") | {one.system: one.after for one in so_far}
    seen = {system for system, text in shown.items() if has(text)} | {edit.system}
    for one in later:
        if one.edit is not None and one.system in seen and has(one.before) and not has(one.after):
            return True
        if has(one.after) and (one.edit is None or seen):
            seen.add(one.system)
        elif not has(one.after):
            seen.discard(one.system)
    return False


def _overrules(story: Story, move: Told, edit: Change) -> bool:
    """Whether a rule, or a person who decided, put something else in the place of what was made of a field."""
    value = same(edit.after)
    if same(move.after) == value:
        return False
    if not value and edit.system != story.owner and _heard(move, edit):
        return True
    return _is_by_rule(story, move, edit) and (_heard(move, edit) or _had(story, move, edit))


def _is_by_rule(story: Story, move: Told, edit: Change) -> bool:
    """Whether what is agreed on is what the rule, by which the history says it was set, puts before an edit."""
    value = same(edit.after)
    match move.why:
        case Why.OWNER:
            return same(move.after) == _owners(story, move) or _is_of_owners(story, move, edit)
        case Why.FORWARD:
            reached = [same(stage) for stage in story.stages]
            after = same(move.after)
            return after in reached and value in reached and reached.index(after) > reached.index(value)
        case _:
            return move.why is Why.DECIDED


def _owners(story: Story, move: Told) -> str | None:
    """What the owner makes of a field: its edit, or what it made of it before and is agreed on."""
    if story.owner in move.edited:
        return same(move.edited[story.owner])
    made = _made(story, story.owner, move.at)
    before = same(move.before)
    return before if any(same(one.after) == before for one in made) else None


def _is_of_owners(story: Story, move: Told, edit: Change) -> bool:
    """Whether others made what is agreed on of what the owner had made, and who made this edit saw none of that."""
    since = [same(move.after)]
    for step in reversed([one for one in story.moves if one.at <= move.at]):
        if same(step.after) != since[-1] or same(step.before) == since[-1]:
            continue
        since.append(same(step.before))
        if begun := [one.at for one in _made(story, story.owner, step.at) if same(one.after) == since[-1]]:
            shown = [one for one in story.changes if one.system == edit.system and max(begun) <= one.at < edit.at]
            return not {same(one.after) for one in shown} & {*since}
    return False


def _heard(move: Told, edit: Change) -> bool:
    """Whether it was made of this edit, among others."""
    return move.at >= edit.at and edit.system in move.edited and same(move.edited[edit.system]) == same(edit.after)


def _replaces(story: Story, move: Told, edit: Change) -> bool:
    """Whether the value was agreed on, and replaced by what people made of that very value, perhaps at once."""
    return _had(story, move, edit) and any(
        one.edit is not None
        and same(move.edited.get(one.system, one.before)) == same(one.after)
        and any(same(step.before) == same(edit.after) for step in _before(story, one))
        for one in story.changes
    )


def _had(story: Story, move: Told, edit: Change) -> bool:
    """Whether the edit was heard and its value agreed on, before something was made of other edits after it."""
    value = same(edit.after)
    taken = any(_heard(one, edit) and same(one.after) == value and one.at <= move.at for one in story.moves)
    return taken and same(move.before) == value


def _is_followed(story: Story, edit: Change, later: Sequence[Change]) -> bool:
    """Whether a write replaced an edit, somebody changed what that had written, and the history tells of it since."""
    match [one for one in later if one.system == edit.system]:
        case [Change(edit=None), Change(edit=int()) as followed, *_]:
            return any(m.why is Why.CONFLICT and m.at >= followed.at and _heard(m, edit) for m in story.moves)
        case _:
            return False


def _is_put_back(story: Story, edit: Change, has: Callable[[str], bool]) -> bool:
    """Whether people only took back what they had made of something known, before anything was made of it.

    What a person is asked about nothing was made of yet: who takes back one side of a contradiction ends it.
    """
    run = _before(story, edit)
    since = next((place for place, one in enumerate(run) if has(one.before)), None)
    if since is None:
        return False
    own = [move for move in story.moves if edit.system in move.edited]
    known = [text for move in story.moves for text in (move.before, move.after)]
    known += [move.edited[edit.system] for move in own]
    made = [_origin(story, move, edit.system) for move in own if move.why is not Why.CONFLICT]
    return any(map(has, known)) and not any(one in run[since:-1] for one in made)


def _is_no_news(story: Story, edit: Change, has: Callable[[str], bool]) -> bool:
    """Whether an edit only said what was agreed on already, and somebody who had seen that elsewhere changed it."""
    agreed = [move.after for move in story.moves if move.at <= edit.at]
    if not agreed or not has(agreed[-1]):
        return False
    later = [move for move in story.moves if move.at > edit.at and not has(move.after)]
    by = [_origin(story, move, system) for move in later for system in move.edited if system != edit.system]
    return any(has(one.before) for last in by if last is not None for one in _before(story, last))


def _origin(story: Story, move: Told, system: str) -> Change | None:
    """The edit in a system that something was made of: the last of that value before it."""
    value = meaning(story.kind, move.edited[system])
    made = _made(story, system, move.at)
    return next((one for one in reversed(made) if meaning(story.kind, one.after) == value), None)


def _made(story: Story, system: str | None, until: int) -> list[Change]:
    """The edits of people in a system up to a moment."""
    return [one for one in story.changes if one.system == system and one.edit is not None and one.at <= until]


def _before(story: Story, edit: Change) -> list[Change]:
    """The edits of people one after the other in a system, up to this one, since it was written to last."""
    run: list[Change] = []
    for one in story.changes:
        if one.system == edit.system:
            run = [] if one.edit is None else [*run, one]
        if one is edit:
            break
    return run


def _tag_is_known(story: Story, edit: Change, later: Sequence[Change], tag: str, *, on: bool) -> bool:
    def has(text: str) -> bool:
        return (tag in tags(text)) is on

    stands = all(has(text) for text in story.held.values())
    replaced = _is_replaced(story, edit, later, has)
    made = [move for move in story.moves if move.why is Why.UNION and move.at >= edit.at]
    heard = [move for move in made if edit.system in move.edited and has(move.edited[edit.system])]
    added_too = not on and _is_added_too(story, edit, tag)
    told = added_too or any(not has(move.after) for move in heard)
    return stands or replaced or told or _is_put_back(story, edit, has) or _is_no_news(story, edit, has)


def _is_added_too(story: Story, edit: Change, tag: str) -> bool:
    """Whether somebody elsewhere added a tag, and that was not heard yet when it was removed here: it stays."""

    def heard_at(one: Change) -> int:
        heard = [move.at for move in story.moves if move.at >= one.at and tag in tags(move.edited.get(one.system, ""))]
        return min(heard, default=one.at)

    return any(
        one.edit is not None
        and one.system != edit.system
        and tag in tags(one.after) - tags(one.before)
        and heard_at(one) > edit.at
        for one in story.changes
    )


def _twice(story: Story) -> Iterator[tuple[Fault, str]]:
    for system, text in story.held.items():
        for line, times in Counter(filter(None, map(same, text.splitlines()))).items():
            if times > 1:
                yield Fault.DOUBLED, f"'{line}' stands {times} times in {system}"


def _is_real(story: Story, typed: Iterable[Change]) -> bool:
    """Whether two people in different systems said what is open, and neither saw what the other had said."""
    said = {same(text) for text in (story.agreed, *story.contested.values())}
    sides = [one for one in typed if same(one.after) in said]
    return any(
        one.system != other.system
        and same(one.after) != same(other.after)
        and not _saw(story, one, other)
        and not _saw(story, other, one)
        for one in sides
        for other in sides
    )


def _touched(story: Story) -> list[Change]:
    """What was written since the contradiction that is open began, and may not have been."""
    begun: int | None = None
    for move in story.moves:
        begun = None if move.why is not Why.CONFLICT else move.at if begun is None else begun
    if begun is None:
        return []
    return [
        one
        for number, one in enumerate(story.changes)
        if one.edit is None
        and one.at > begun
        and not _is_own(story.changes[:number], one)
        and not _was_under_way(story, one, begun)
    ]


def _was_under_way(story: Story, written: Change, begun: int) -> bool:
    """Whether a write was decided on before the contradiction began, to a system that had said nothing in it yet.

    To one that had, none can have been under way: it is not read, and so not heard, while it is written to.
    """
    said = {system for move in story.moves if begun <= move.at <= written.at for system in move.edited}
    return written.asked is not None and written.asked < begun and written.system not in said


def _is_own(before: Sequence[Change], written: Change) -> bool:
    """Whether what is written to a system is what a person made there last."""
    own = [one for one in before if one.system == written.system and one.edit is not None]
    return bool(own) and same(own[-1].after) == same(written.after)


def _saw(story: Story, later: Change, earlier: Change) -> bool:
    """Whether the system of the later edit had shown the earlier one before that."""
    return any(
        change.system == later.system
        and earlier.at <= change.at <= later.at
        and change.edit is None
        and same(change.after) == same(earlier.after)
        for change in story.changes
    )
