"""What the HubSpot sandbox makes of the values that it is sent."""

import re

LONGEST_VALUE = 65_536
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
STAGE = "lifecyclestage"
STAGES = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)


def problem_of(properties: dict[str, str]) -> str:
    """What is wrong with the values, empty if nothing is."""
    if (email := properties.get("email")) and not EMAIL.fullmatch(email):
        return f"Property values were not valid: email '{email}' is invalid (INVALID_EMAIL)"
    if too_long := [name for name, value in properties.items() if len(value) > LONGEST_VALUE]:
        return f"Property values were not valid: {too_long[0]} is longer than {LONGEST_VALUE}"
    if (stage := properties.get(STAGE)) and stage not in STAGES:
        return f"Property values were not valid: {STAGE} '{stage}' was not one of the allowed options"
    return ""


def forward_only(before: dict[str, str], values: dict[str, str]) -> dict[str, str]:
    """The values without a lifecycle stage behind the one that is there, which HubSpot drops unsaid."""
    old, new = before.get(STAGE), values.get(STAGE)
    if old and new and STAGES.index(new) < STAGES.index(old):
        return {name: value for name, value in values.items() if name != STAGE}
    return values
