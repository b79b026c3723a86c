"""How HubSpot is searched for records like one that is about to be written."""

from collections.abc import Mapping

import phonenumbers

from connectors.crm.hubspot_api import Filter, FilterGroup


def alike(values: Mapping[str, str]) -> list[FilterGroup]:
    """Groups of conditions, at most five as HubSpot allows, by the values that there are."""
    groups = [
        [Filter(property_name=name, operator="EQ", value=values[name])]
        for name in ("email", "phone", "domain")
        if values.get(name)
    ]
    if national := _national(values.get("phone", "")):
        # HubSpot compares phone numbers without their country code, in a property of its own.
        groups.append([Filter(property_name="hs_searchable_calculated_phone_number", operator="EQ", value=national)])
    if last := values.get("lastname"):
        first = values.get("firstname", "")[:1]
        initial = [Filter(property_name="firstname", operator="CONTAINS_TOKEN", value=f"{first}*")] if first else []
        groups.append([Filter(property_name="lastname", operator="EQ", value=last), *initial])
    elif name := values.get("name"):
        groups.append([Filter(property_name="name", operator="EQ", value=name)])
    return [FilterGroup(filters=filters) for filters in groups]


def _national(phone: str) -> str:
    try:
        return str(phonenumbers.parse(phone, None).national_number or "")
    except phonenumbers.NumberParseException:
        return ""
