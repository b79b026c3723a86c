"""Tables in SQL databases, behind any URL that SQLAlchemy knows.

What may live here: what reads the shape of somebody else's table, writes rows to it by key and
reads those that changed. What may not: Interlock's own tables, which are in `connectors.store`,
and any creation or change of a table.
"""
