"""Call the reference module through its generated client while the broker restarts.

The arguments are the folder of the client `generated_reference.py`, the URL of the broker, and the
topic. After the first result the script waits for a line: the broker is down then.
"""

import asyncio
import sys
import threading

sys.path.insert(0, sys.argv.pop(1))

from generated_reference import AsyncClient, Client  # noqa: E402


def say(text: object) -> None:
    print(text, flush=True)


async def main(url: str, topic: str) -> None:
    async with AsyncClient(url, topic=topic, timeout=120) as later:
        assert await later.add(0) == 2
        with Client(url, topic=topic, timeout=120) as client:
            say(client.add(1))
            input()
            call = threading.Thread(target=lambda: say(client.add(2)))
            call.start()
            say("calling")
            call.join()
            say([client.add(3), await later.add(4)])


asyncio.run(main(*sys.argv[1:]))
