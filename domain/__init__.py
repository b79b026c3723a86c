"""The words and the decisions of Interlock, pure.

What may live here: frozen models of the things the business speaks of (item, proposal,
decision, review, operation, ledger entry, account) and the functions that decide about
them. What may not: I/O, clocks, environments, randomness, or an import of any other
package of this project. Everything here is given its values and the time.
"""
