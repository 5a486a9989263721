"""Send a large request to modules, of which the first one crashes.

The arguments are the folder of the client `generated_readers.py`, the URL of the broker, the topic,
and whether the call is `blocking` or `awaited`. The script prints the result.
"""

import asyncio
import sys

sys.path.insert(0, sys.argv.pop(1))

import generated_readers  # noqa: E402
from generated_readers import AsyncClient, Client  # noqa: E402

# Seconds that a call may take on a busy machine.
PATIENCE = 120.0
TEXT = "x" * 100_000


def blocking(url: str, topic: str) -> int:
    with Client(url, topic=topic, timeout=PATIENCE) as client:
        return client.measure(TEXT)


async def awaited(url: str, topic: str) -> int:
    async with AsyncClient(url, topic=topic, timeout=PATIENCE) as client:
        return await client.measure(TEXT)


generated_readers._FRAME_LIMIT = 1000
way = sys.argv.pop()
if way == "blocking":
    print(blocking(*sys.argv[1:]))
else:
    print(asyncio.run(awaited(*sys.argv[1:])))
