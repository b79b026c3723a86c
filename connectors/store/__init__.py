"""What Interlock remembers: inbox, ledger, proposals, reviews, outbox, in one SQL database.

What may live here: the tables, their migrations, and the classes that read and write them.
Every change of state is one transaction together with its ledger entry. What may not: a
decision; the domain makes those.
"""
