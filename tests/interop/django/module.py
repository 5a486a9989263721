"""The module under test, as the broker's fixtures start modules: as a script of Python.

The program is the one that DASF_TEST_MODULE names; it gets the arguments of this script.
"""

import os
import sys

PROGRAM = os.environ["DASF_TEST_MODULE"]
os.execv(PROGRAM, [PROGRAM, *sys.argv[1:]])
