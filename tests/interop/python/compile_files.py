"""Compile the files in the folder of the argument, and print their number."""

import pathlib
import sys
import warnings

warnings.simplefilter("error")
files = sorted(pathlib.Path(sys.argv[1]).glob("*.py"))
for file in files:
    compile(file.read_text(encoding="utf-8"), file, "exec")
print(len(files))
