"""The module under test. The fixtures of the broker start modules as Python scripts.

This script runs the program that DASF_TEST_MODULE names, with its own arguments.
"""

import os
import sys

PROGRAM = os.environ["DASF_TEST_MODULE"]
os.execv(PROGRAM, [PROGRAM, *sys.argv[1:]])
