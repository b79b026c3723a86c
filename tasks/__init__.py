"""Prefect tasks, one verb a file: they ask (a model, a system) or act (write).

What may live here: tasks whose parameters are values, and the resources they share within
a flow run. An acting task can run twice and acts once. What may not: a decision (domain),
a vendor's code (connectors), or the order of a process (flows).
"""
