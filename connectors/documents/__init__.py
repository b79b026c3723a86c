"""Where documents are kept: archives, and object stores or folders of any kind.

What may live here: implementations of `connectors.ports.Destination` that store one document an
operation, a file a system. What may not: reading a document's text, and any decision about it.
"""
