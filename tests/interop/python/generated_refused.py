"""Call through the generated client without permission, and print the exceptions.

The arguments are the folder of the client `generated_reference.py`, the URL of the broker, the
topic, and a token.
"""

import asyncio
import sys

sys.path.insert(0, sys.argv.pop(1))

from generated_reference import AsyncClient, Client, RefusedError  # noqa: E402


async def call_later(url, topic, token):
    async with AsyncClient(
        url, topic=topic, headers={"authorization": f"Token {token}"}
    ) as client:
        await client.add(1)


def call(url, topic, token):
    with Client(url, topic=topic, token=token) as client:
        client.add(1)


for attempt in (call, lambda *arguments: asyncio.run(call_later(*arguments))):
    try:
        attempt(*sys.argv[1:])
    except RefusedError as error:
        print(type(error).__name__, error)
