"""Deterministic extractors: what a text says plainly is found without asking a model.

What may live here: what splits a mail into its parts and says who speaks, and a file a kind
of match. They give candidates with their places; `domain.extraction` decides what is taken.
What may not: network, models, thresholds.
"""
