"""Give up calls of the generated client of the reference module.

The arguments are the folder of the client `generated_reference.py`, the URL of the broker and the
topic. Nobody answers there.
"""

import asyncio
import os
import signal
import sys
import threading

sys.path.insert(0, sys.argv.pop(1))

from generated_reference import AsyncClient, Client, NoAnswerError  # noqa: E402


def say(text: object) -> None:
    print(text, flush=True)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


async def cancel(url: str, topic: str) -> None:
    async with AsyncClient(url, topic=topic) as client:
        call = asyncio.create_task(client.add(2))
        await asyncio.sleep(0.3)
        call.cancel()
        try:
            await call
        except asyncio.CancelledError:
            say("cancelled")


def main(url: str, topic: str) -> None:
    # A shell may let its background programs ignore this signal, and Python leaves it at that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Client(url, topic=topic, timeout=0.5) as client:
        try:
            client.add(1)
        except NoAnswerError:
            say("timed out")
    asyncio.run(cancel(url, topic))
    try:
        with Client(url, topic=topic) as client:
            threading.Timer(0.5, interrupt).start()
            client.add(3)
    except KeyboardInterrupt:
        say("interrupted")


main(*sys.argv[1:])
