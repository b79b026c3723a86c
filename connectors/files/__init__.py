"""Files as sources: JSON Lines, CSV, mails and mailboxes, given one by one or dropped into a folder.

What may live here: readers, a file a format, each of which tells broken records apart and
goes on, and what watches a folder. What may not: changing, moving or deleting any file.
"""
