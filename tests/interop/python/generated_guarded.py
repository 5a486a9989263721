"""Call a module at a Pulsar that needs TLS and a token.

The arguments are the folder of the client `generated_reference.py`, the port, the topic, a token, and
the file with the certificate of the Pulsar's authority. The script prints nothing if everything is
right.
"""

import asyncio
import sys
from typing import Any

sys.path.insert(0, sys.argv.pop(1))

from generated_reference import (  # noqa: E402
    AsyncClient,
    Client,
    NotConnectedError,
    Pulsar,
)

PORT, TOPIC, TOKEN, CA_FILE = sys.argv[1:]
PULSAR = Pulsar("localhost", int(PORT), persistence="persistent", tls=True)
UNTRUSTED = "does not trust the authority of the broker's certificate"


def refused(**options: Any) -> str:
    try:
        with Client(PULSAR, topic=TOPIC, **options):
            pass
    except NotConnectedError as error:
        return str(error)
    raise AssertionError(options)


async def main() -> None:
    # The token with the newline of a file.
    async with AsyncClient(
        PULSAR, topic=TOPIC, token=f"{TOKEN}\n", ca_file=CA_FILE, timeout=120
    ) as client:
        assert await client.hello("Ada") == "Hello Ada"


with Client(PULSAR, topic=TOPIC, token=TOKEN, ca_file=CA_FILE, timeout=120) as client:
    assert client.hello("Ada") == "Hello Ada"
asyncio.run(main())
assert UNTRUSTED in refused(token=TOKEN)
assert refused(ca_file=CA_FILE).endswith("with status 401")
