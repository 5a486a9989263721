"""Send large requests over topics that keep nothing.

The arguments are the folder of the client `generated_reference.py`, the port of a Pulsar, the topic, a
token, the size of each request, the number of requests, `group` or `alone`, and the timeout in
seconds. The script prints nothing if everything is right.
"""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

sys.path.insert(0, sys.argv.pop(1))

from generated_reference import AsyncClient, Client, Pulsar  # noqa: E402

PORT, TOPIC, TOKEN, SIZE, CALLS, MODULES, TIMEOUT = sys.argv[1:]
PULSAR = Pulsar("127.0.0.1", int(PORT))
OPTIONS: dict[str, Any] = {"topic": TOPIC, "token": TOKEN, "timeout": float(TIMEOUT)}
TEXTS = [str(index) * int(SIZE) for index in range(int(CALLS))]
# The broker may drop large responses of several modules at the same time.
IS_ECHOED = MODULES == "alone"


def blocking() -> None:
    with Client(PULSAR, **OPTIONS) as client:

        def is_echoed(text: str) -> bool:
            return client.echo(text) == text

        def is_sent(text: str) -> bool:
            return client.greeter().twice(text, times=0) == []

        assert is_echoed(TEXTS[0])
        with ThreadPoolExecutor(len(TEXTS)) as pool:
            assert all(pool.map(is_echoed if IS_ECHOED else is_sent, TEXTS))


async def awaited() -> None:
    async with AsyncClient(PULSAR, **OPTIONS) as client:

        async def is_echoed(text: str) -> bool:
            return await client.echo(text) == text

        async def is_sent(text: str) -> bool:
            return await client.greeter().twice(text, times=0) == []

        assert await is_echoed(TEXTS[0])
        send = is_echoed if IS_ECHOED else is_sent
        assert all(await asyncio.gather(*map(send, TEXTS)))


def nothing_is_left() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("dasf "):
            thread.join(float(TIMEOUT))
            assert not thread.is_alive(), thread


blocking()
nothing_is_left()
asyncio.run(awaited())
nothing_is_left()
