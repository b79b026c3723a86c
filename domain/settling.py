"""When a look-up that found nothing can be believed: a request may outlive whoever sent it."""

from datetime import datetime, timedelta

from domain.delivery import NotThere

SETTLES_S = 60.0
"""Seconds for which a server may go on with a request whose sender is gone: the usual limit of gateways
(nginx's proxy_read_timeout, Cloudflare's and AWS's load balancers: 60 to 100; a request at work is mostly
ended long before)."""


def not_there(sent_until: datetime | None, settles_s: float, search_lag_s: float) -> NotThere:
    """What a look-up that found nothing says of a write.

    Args:
        sent_until: when its last send ended; None where nothing is under way any more.
        settles_s: for so long afterwards the target may still carry it out,
        search_lag_s: and for so long after that its search may miss it.
    """
    if sent_until is None:
        return NotThere()
    return NotThere(believed_from=sent_until + timedelta(seconds=settles_s + search_lag_s))
