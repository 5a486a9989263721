"""Call the reference module on a topic that nobody reads, through its generated client.

The arguments are the folder of the client `generated_reference.py` and the URL of the broker. The
script prints nothing if everything is right.
"""

import asyncio
import sys
import time

sys.path.insert(0, sys.argv.pop(1))

from generated_reference import (  # noqa: E402
    AsyncClient,
    Client,
    NoAnswerError,
    NobodyListensError,
)

TEXT = "no module listens on topic nobody; start the module, or check the topic"


async def call_later(url: str) -> None:
    async with AsyncClient(url, topic="nobody") as client:
        await client.add(1)


def main(url: str) -> None:
    with Client(url, topic="nobody") as client:
        for attempt in (
            lambda: client.add(1),
            client.ping,
            client.api_info,
            lambda: asyncio.run(call_later(url)),
        ):
            begun = time.monotonic()
            try:
                attempt()
            except NoAnswerError as error:
                assert type(error) is NobodyListensError and str(error) == TEXT, error
            else:
                raise AssertionError("no error")
            assert time.monotonic() - begun < 2


main(*sys.argv[1:])
