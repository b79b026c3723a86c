"""The workflow that `interlock drill` runs.

What may live here: its policy and its examples. What may not: anything that another command reads.
"""
