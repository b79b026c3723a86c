"""How a policy has a target searched for duplicates before a write."""

from domain.delivery import Search
from domain.sameness import Identity, IdentityNames, identity_of
from policies.fields import Conventions, FieldType, normalised


class Duplicates(IdentityNames):
    """Search a destination's system for the record before anything new is written.

    Beside `search`, it says which of the destination's values are the person's e-mail address, phone,
    name and company, where they are not called so.
    """

    search: bool = True

    def of(self, region: str | None, workflow: str) -> Search | None:
        """What an operation carries; None where nothing is searched."""
        if not self.search:
            return None
        names = IdentityNames.model_validate(self.model_dump(exclude={"search"}))
        return Search(names=names, region=region, workflow=workflow)


def identity(values: dict[str, str], search: Search) -> Identity:
    """The identity among a record's values, each in its one spelling where it has one, so that they compare."""
    raw = identity_of(values, search.names)
    conventions = Conventions(search.region)
    email = normalised(FieldType.EMAIL, raw.email, conventions) or raw.email
    phone = normalised(FieldType.PHONE, raw.phone, conventions) or raw.phone
    return raw.model_copy(update={"email": email, "phone": phone})
