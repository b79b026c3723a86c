"""What a reviewer reads who is asked whether a record is there already."""

from datetime import timedelta

from builders import NOW, claimed

from domain.delivery import Operation
from domain.sameness import Identity
from prompts.duplicate import duplicate_form

WRITE = Operation(
    operation_id="op-1",
    item_id="item-1",
    policy="tiny",
    destination="crm",
    system="sandbox_crm",
    record_key="j",
    values={"name": "Julia Weber", "note": "a|b\n`c` " + "x" * 200},
)
RECORDS = [
    ("17", {"name": "Julia Weber", "phone": "030 1"}, Identity(name="Julia Weber")),
    ("18", {"name": "J. Weber"}, Identity(name="J. Weber")),
]


def form(notice: str = "") -> str:
    due = NOW + timedelta(hours=1)
    return duplicate_form(claimed("Hi ```"), WRITE, Identity(name="Julia Weber"), RECORDS, "name agrees", due, notice)


def test_the_new_record_stands_beside_those_that_it_may_be() -> None:
    long = "a¦b 'c' " + "x" * 112
    assert (
        form()
        == f"""\
## Does sandbox_crm have this record already?

| | new | record `17` | record `18` |
|---|---|---|---|
| name | `Julia Weber` | `Julia Weber` | `J. Weber` |
| note | `{long}…` |  |  |
| phone |  | `030 1` |  |
| **agrees in** | | name | nothing |

**Why a person is asked:** name agrees.

The message:

````text
Hi ```
````

Item `item-1`. Answer by 2026-03-02 10:30 UTC. Nothing else is written to this record meanwhile."""
    )


def test_a_notice_comes_first() -> None:
    assert form("Please look again.").startswith("> **Please look again.**\n\n##")
