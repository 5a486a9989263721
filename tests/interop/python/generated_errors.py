"""Call functions that fail through the generated client, and print what is raised.

The arguments are the folder of the client `generated_stations.py`, the URL of the broker, and the
topic.
"""

import sys

sys.path.insert(0, sys.argv.pop(1))

from generated_stations import Client, ModuleError  # noqa: E402

url, topic = sys.argv[1:]
with Client(url, topic=topic) as client:
    for name in ("ä 世", ""):
        try:
            client.measure(name)
        except ModuleError as error:
            print(error.code, error.details, error.kind, error.message)
