"""Run every notebook and write its outputs into it: `python notebooks/build.py [NAME …] [--into FOLDER]`.

What changes from run to run though nothing has changed (times, counts, versions, random identifiers) is left out, so
that a rebuild shows in a diff only where results differ.
"""

import argparse
import hashlib
import os
import tempfile
from pathlib import Path

import matplotlib.font_manager  # noqa: F401  # builds its cache, of which a kernel would speak
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def executed(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a fresh kernel."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = nbformat.from_dict(METADATA)
    options = {"timeout": 600, "extra_arguments": ["--log-level=ERROR"], "coalesce_streams": True}
    NotebookClient(notebook, resources={"metadata": {"path": str(FOLDER)}}, **options).execute()
    for cell in notebook.cells:
        cell.metadata = {}
        cell.id = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        if cell.cell_type == "code":
            cell.execution_count = None
            for output in cell.outputs:
                output.pop("execution_count", None)
                if output.output_type == "execute_result":
                    output.execution_count = None
    nbformat.validate(notebook)
    return notebook


def main() -> None:
    """Build the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="such as 1_reproduce_the_paper; by default all")
    parser.add_argument("--into", type=Path, default=FOLDER, help="where to write them; by default in place")
    chosen = parser.parse_args()
    os.environ.pop("MPLBACKEND", None)  # it would keep pictures out of the notebook
    with tempfile.TemporaryDirectory() as empty:  # no profile or history of whoever builds
        os.environ |= {"IPYTHONDIR": empty, "JUPYTER_RUNTIME_DIR": empty}
        for name in chosen.names or sorted(path.stem for path in FOLDER.glob("*.ipynb")):
            nbformat.write(executed(FOLDER / f"{name}.ipynb"), chosen.into / f"{name}.ipynb")


if __name__ == "__main__":
    main()
