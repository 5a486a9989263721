"""Send large requests to modules that share a topic.

The arguments are the folder of the client `generated_reference.py`, the URL of the broker (or the
host and port of a Pulsar, as in `localhost:8080`), and the topic. The script prints nothing if
everything is right.
"""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, sys.argv.pop(1))

import generated_reference as reference  # noqa: E402
from generated_reference import AsyncClient, Client, Pulsar  # noqa: E402

# Seconds that a call may take on a busy machine.
PATIENCE = 120.0
TEXTS = [letter * 100_000 for letter in "abcdef"]


def address(place: str) -> str | Pulsar:
    """Return the address of the broker."""
    if "://" in place:
        return place
    host, port = place.split(":")
    # Pulsar keeps the requests of a group in persistent topics.
    return Pulsar(host, int(port), persistence="persistent")


def blocking(place: str, topic: str) -> None:
    with Client(address(place), topic=topic, timeout=PATIENCE) as client:
        with ThreadPoolExecutor(len(TEXTS)) as pool:
            assert list(pool.map(client.echo, TEXTS)) == TEXTS
        assert client.echo("small") == "small"


async def awaited(place: str, topic: str) -> None:
    async with AsyncClient(address(place), topic=topic, timeout=PATIENCE) as client:
        assert await asyncio.gather(*map(client.echo, TEXTS)) == TEXTS
        assert await client.echo("small") == "small"


def nothing_is_left() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("dasf "):
            thread.join(PATIENCE)
            assert not thread.is_alive(), thread


reference._FRAME_LIMIT = 1000
blocking(*sys.argv[1:])
nothing_is_left()
asyncio.run(awaited(*sys.argv[1:]))
nothing_is_left()
