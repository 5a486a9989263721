"""Call the reference module through its generated client before the module listens.

The arguments are the folder of the client `generated_reference.py` and the URL of the broker. After
the first result the script waits for a line: the broker has restarted then, without the module.
"""

import sys

sys.path.insert(0, sys.argv.pop(1))

from generated_reference import Client  # noqa: E402


def say(text: object) -> None:
    print(text, flush=True)


def main(url: str) -> None:
    with Client(url, topic="late") as client:
        say("calling")
        say(client.add(1))
        input()
        say(client.add(2))


main(*sys.argv[1:])
