"""Proves what a classifier is worth before it may act.

What may live here: labelled data sets, metrics, calibration and the command line `evals`.
It asks through the same tasks as the flows and decides by the same domain functions. What
may not: a second way to classify, or a write to any system but the store.
"""
