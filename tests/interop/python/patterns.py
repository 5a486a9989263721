"""Check strings with a generated client.

The arguments are the folder and the name of the client. The input is a list of lists of strings: one
list for each function. The script prints for each string whether the client would send it.
"""

import importlib
import json
import sys

from pydantic import ValidationError

sys.path.insert(0, sys.argv[1])
client = importlib.import_module(sys.argv[2])


def sends(function, text):
    try:
        return function.to_json({"text": text}) == {"text": text}
    except ValidationError:
        return False


found = [
    [sends(getattr(client, f"_CHECK_{number}"), text) for text in texts]
    for number, texts in enumerate(json.load(sys.stdin))
]
print(json.dumps(found))
