"""Prefect flows; each reads as the business process that it is.

What may live here: flows of at most 40 lines that call tasks in the order of the business,
and how a flow waits for a person. What may not: a loop over payload fields, string
building, a decision, or an import of httpx, sqlmodel or instructor.
"""
