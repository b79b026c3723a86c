"""Mail: any message read into an arrival, mailboxes as sources, SMTP as a destination.

What may live here: what turns a message's bytes into fields (charsets, parts, quotes,
signatures), a file for each of these, and the protocols IMAP and SMTP. What may not:
decisions about what a mail asks for, and waiting or trying again.
"""
