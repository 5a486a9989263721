"""Import `stub.py` from the folder of the argument, and print the missing name."""

import sys

sys.path.insert(0, sys.argv[1])
try:
    import stub  # noqa: F401
except NameError as error:
    print(error)
