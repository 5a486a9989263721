"""Runs the cells of a notebook and compares their text outputs with the stored ones.

The arguments are the notebook and the URL of the broker. With UPDATE_NOTEBOOK=1, the script stores the outputs.
"""

import difflib
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

URL_IN_THE_NOTEBOOK = "ws://localhost:8080/ws"


def texts(notebook):
    """The text outputs of all cells, as lines."""
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            text = output.get("text") or output.get("data", {}).get("text/plain") or str(output)
            yield from (f"cell {number}: {line}" for line in text.splitlines())


def main():
    path, url = Path(sys.argv[1]), sys.argv[2]
    stored = nbformat.read(path, as_version=4)
    ran = nbformat.read(path, as_version=4)
    for cell in ran.cells:
        cell.source = cell.source.replace(URL_IN_THE_NOTEBOOK, url)
    NotebookClient(ran, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    if os.environ.get("UPDATE_NOTEBOOK"):
        for cell, original in zip(ran.cells, stored.cells):
            cell.source = original.source
            cell.metadata = original.metadata
        ran.metadata = stored.metadata
        nbformat.write(ran, path)
        return
    differences = list(difflib.unified_diff(list(texts(stored)), list(texts(ran)), "stored", "ran", lineterm=""))
    if differences:
        sys.exit("\n".join(differences))


main()
