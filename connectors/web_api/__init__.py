"""Any HTTP interface that speaks JSON, described in a YAML file instead of code.

What may live here: the model of such a description, and the one connector that acts by it. What
may not: anything that only one vendor has; a vendor whose ways no description can tell gets a
file of its own in the folder of its channel.
"""
