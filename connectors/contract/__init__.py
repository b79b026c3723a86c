"""The contract test kit: what every connector must do, one test for each kind of failure.

A connector's author subclasses, in a test module, the contracts that fit the system, and gives
one asynchronous pytest fixture named `subject`, a `Subject` or `NetworkSubject`. The contracts
are plain classes of asynchronous methods named `test_…`, and pytest finds the fixture by its
name: so the kit needs no pytest itself, and an install without it stays whole. Run with
pytest-asyncio in its `auto` mode.

    DestinationContract   every destination, network or not
    NetworkContract       those that speak HTTP, through the fault proxy
    UpsertContract        also, where the system holds one record under our key
    VersionedContract     also, where a stale write is refused
    BatchContract         also, where several writes go together
    NetworkBatchContract  the same, where it speaks HTTP
    SearchableContract    also, where it can be searched for duplicates

    KeptContract          systems whose records are kept in step; the fixture gives a `KeptSubject`
    ComparedContract      the same, where a write and its comparison are under one lock

A contract is broken by an AssertionError that says what was promised and what came instead.
That the contracts chosen are those that the capabilities call for is itself a test.

What may live here: promises of the port, and how to try them. What may not: anything about
one vendor, and anything that production needs.
"""

from connectors.contract.batches import BatchContract, NetworkBatchContract
from connectors.contract.destination import DestinationContract
from connectors.contract.kept import ComparedContract, KeptContract, KeptSubject
from connectors.contract.network import NetworkContract
from connectors.contract.outbox import deliver
from connectors.contract.search import SearchableContract
from connectors.contract.subject import Key, NetworkSubject, Stored, Subject
from connectors.contract.upserts import UpsertContract
from connectors.contract.versions import VersionedContract

__all__ = [
    "BatchContract",
    "ComparedContract",
    "DestinationContract",
    "KeptContract",
    "KeptSubject",
    "Key",
    "NetworkBatchContract",
    "NetworkContract",
    "NetworkSubject",
    "SearchableContract",
    "Stored",
    "Subject",
    "UpsertContract",
    "VersionedContract",
    "deliver",
]
