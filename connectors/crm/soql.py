"""Conditions in Salesforce's query language (SOQL), whose equality ignores case."""

from collections.abc import Mapping

import phonenumbers


def all_equal(values: Mapping[str, str]) -> str:
    """All of the fields have these values."""
    return " AND ".join(f"{name} = {quoted(value)}" for name, value in values.items())


def alike(values: Mapping[str, str]) -> str:
    """E-mail, phone or name are those of `values`; empty where it has none of them.

    Names of fields may be in any letter case, as in Salesforce.
    """
    values = {name.lower(): value for name, value in values.items()}
    conditions = []
    if email := values.get("email"):
        conditions.append(all_equal({"Email": email}))
    if phone := values.get("phone"):
        conditions.append(f"Phone IN ({', '.join(map(quoted, spellings(phone)))})")
    if last := values.get("lastname"):
        initial = values.get("firstname", "")[:1]
        same_initial = f" AND FirstName LIKE '{initial}%'" if initial.isalnum() else ""
        conditions.append(f"({all_equal({'LastName': last})}{same_initial})")
    elif name := values.get("name"):
        conditions.append(all_equal({"Name": name}))
    return " OR ".join(conditions)


def spellings(phone: str) -> list[str]:
    """A number as people write it down, for Salesforce keeps it as it was typed."""
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return [phone]
    forms = phonenumbers.PhoneNumberFormat
    written = [phonenumbers.format_number(number, form) for form in (forms.E164, forms.INTERNATIONAL, forms.NATIONAL)]
    return list(dict.fromkeys([phone, *written, str(number.national_number)]))


def quoted(text: str) -> str:
    """A string; whatever is in it stays in it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"
