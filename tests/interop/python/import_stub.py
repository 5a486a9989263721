"""Import the `stub.py` of a folder, which is the argument, and print the name that it lacks."""

import sys

sys.path.insert(0, sys.argv[1])
try:
    import stub  # noqa: F401
except NameError as error:
    print(error)
