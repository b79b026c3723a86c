"""Runs the route flow once over a policy's inbox: the process that `test_kill.py` kills.

`python tests/real/route_once.py POLICY`, with the environment of an installation.
"""

import asyncio
import sys

from flows.route import route

if __name__ == "__main__":
    asyncio.run(route(sys.argv[1], wait_s=60))
