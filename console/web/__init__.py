"""What `interlock serve` answers over HTTP.

What may live here: reading requests, the answers to them, and what keeps the server quick and
bounded. What may not: a decision, a prompt or SQL; requests end in tasks and the store.
"""
