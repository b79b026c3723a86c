"""The operator's side: the command line `interlock`.

What may live here: commands, what they print, readers of the operator's own files, and
whatever starts and stops local servers for a person at a terminal. What may not: a
decision, a write, or SQL; commands call flows, tasks and the store.
"""
