"""A policy's labelled examples, searchable, and their vote: the second opinion.

What may live here: how texts become vectors (one file a way), and what the labelled vectors
say of a new one. What may not: prompts, thresholds, anything that a message could talk to.
"""
