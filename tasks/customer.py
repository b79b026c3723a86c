"""Records that a customer owes an answer, or has given it: clocks stand still in between."""

from domain.errors import InputInvalid
from policies.intake import storable
from tasks.resources import Resources


def ask_customer(here: Resources, item_id: str, what: str, by: str) -> bool:
    """The customer was asked for `what`; False if an answer was owed already.

    Raises:
        InputInvalid: it is not said what for, or by whom.
    """
    if not what.strip() or not by.strip():
        raise InputInvalid("say what the customer was asked for, and who asked, so that the ledger knows")
    with here.store.transaction() as tx:
        return tx.clocks.customer_asked(item_id, storable(what.strip()), storable(by.strip()), here.now())


def customer_answered(here: Resources, item_id: str, by: str) -> bool:
    """The customer's answer is there; False if none was owed.

    Raises:
        InputInvalid: it is not said who recorded it.
    """
    if not by.strip():
        raise InputInvalid("say who recorded the answer, so that the ledger knows")
    with here.store.transaction() as tx:
        return tx.clocks.customer_answered(item_id, storable(by.strip()), here.now())
