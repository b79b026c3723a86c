"""Chat systems, a file a vendor.

What may live here: implementations of `connectors.ports.Destination` that post messages. What
may not: decisions about what to say or to whom, and waiting or trying again, which is the outbox's.
"""
