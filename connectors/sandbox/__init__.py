"""Stand-ins for a CRM and a help desk that keep records and fail on demand.

They let demos, benchmarks and contract tests meet what real systems do: throttling, lost
answers, stale versions, doubled tickets. They count what went wrong, so that a claim such as
"nothing was doubled" can be checked against the other side's own books.

What may live here: servers that keep state behind a vendor-like HTTP interface, and their
fault switches. What may not: anything that Interlock needs in production, and any import of
the connectors that talk to them.
"""
