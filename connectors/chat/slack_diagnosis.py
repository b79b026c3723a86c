"""What Slack tells of the app's token, its scopes, and the channels that it posts to.

Sources: docs.slack.dev, "auth.test" and "conversations.history"; scopes stand in the header X-OAuth-Scopes.
"""

from collections.abc import Sequence

from connectors.diagnosis import Aspect, Diagnosis, Finding, Use, ahead_s, look, refused, untold, well, wrong
from connectors.http_outcomes import Headed, HttpApi

NAME = "Slack"


class Myself(Headed):
    """Answer to auth.test."""

    ok: bool
    team: str = ""
    user: str = ""


class Read(Headed):
    """Answer to conversations.history."""

    ok: bool


async def diagnosed(api: HttpApi, uses: Sequence[Use]) -> Diagnosis:
    """How the app stands to the channels that policies post to."""
    me = await look(api, Myself, "/auth.test", method="POST")
    if isinstance(me, Finding):
        return refused(me, NAME)
    findings = [
        well(Aspect.ANSWERS, f"{NAME} answers"),
        well(Aspect.KEY, f"the token is {me.user or 'a user'}'s in {me.team or 'its team'}"),
        _scopes(me.headers.get("x-oauth-scopes")),
    ]
    for channel in sorted({channel for use in uses if (channel := use.options.get("channel", ""))}):
        findings.append(await _channel(api, channel))
    return Diagnosis(tuple(findings), ahead_s(me))


def _scopes(told: str | None) -> Finding:
    if told is None:
        return untold(Aspect.RIGHTS, "the token's scopes are not told")
    scopes = {scope.strip() for scope in told.split(",")}
    reads = any(scope.endswith(":history") for scope in scopes)
    if missing := [name for name, there in (("chat:write", "chat:write" in scopes), ("*:history", reads)) if not there]:
        mend = "Add the scopes to the Slack app and install it anew; private channels take groups:history"
        return wrong(Aspect.RIGHTS, f"the token lacks {' and '.join(missing)}", mend)
    return well(Aspect.RIGHTS, "the token may post, and read what it posted")


async def _channel(api: HttpApi, channel: str) -> Finding:
    read = await look(api, Read, "/conversations.history", {"channel": channel, "limit": "1"})
    if isinstance(read, Finding):
        mend = (
            f"Invite the app to the channel ({read.mend})"
            if read.aspect is Aspect.RIGHTS
            else ("Give the id of a channel that is not archived, and invite the app to it")
        )
        return Finding(Aspect.FIELDS, read.grade, f"channel {channel}: {read.says}", mend)
    return well(Aspect.FIELDS, f"channel {channel} can be read")
