"""Customer relationship systems, a file a vendor.

What may live here: implementations of `connectors.ports.Destination` for CRMs. What may not:
decisions about what to write, and waiting or trying again, which is the outbox's.
"""
