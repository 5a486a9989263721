"""Call functions that fail through the generated client, and print the exceptions.

The arguments are the folder of the client `generated_stations.py`, the URL of the broker (or the
host and port of a Pulsar, as in `localhost:8080`), and the topic.
"""

import sys

sys.path.insert(0, sys.argv.pop(1))

from generated_stations import Client, ModuleError, Pulsar  # noqa: E402

place, topic = sys.argv[1:]
if "://" in place:
    address = place
else:
    host, port = place.split(":")
    address = Pulsar(host, int(port))
with Client(address, topic=topic) as client:
    for name in ("ä 世", ""):
        try:
            client.measure(name)
        except ModuleError as error:
            print(error.code, error.details, error.kind, error.message)
            print(error)
