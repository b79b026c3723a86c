"""Everything outside the process: the LLM, CRMs, help desks, the store, the sandbox.

What may live here: code that talks to another system or keeps state, behind the protocols
of `connectors.ports`, a folder a channel and a file a vendor. Connectors translate vendors'
errors and codes into the domain's words and decide nothing. What may not: Prefect.
"""
