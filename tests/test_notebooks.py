"""The notebooks: what is stored in them is what a fresh kernel gives today; of pictures, that there is one.

They are run by `notebooks/build.py` in a process of its own, so that this one's filters of warnings meet no event loops
and sockets of Jupyter's. Warnings in the notebooks themselves go to stderr, where nothing may be.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")

FOLDER = Path(__file__).parent.parent / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
LARGEST = 400_000  # bytes, of a file that is to open at once on a forge
every_notebook = pytest.mark.parametrize("name", NAMES)


def read(path):
    """Each notebook as it is stored."""
    return nbformat.read(path, as_version=4)


def shown(notebook):
    """(source, outputs) of each cell; an output is a stream's or a result's text, and what else it has, by name."""
    return [
        (cell.source, [_output(output) for output in cell.get("outputs", [])])
        for cell in notebook.cells
    ]  # fmt: skip


def _output(output):
    if output.output_type == "stream":
        return output.name, output.text
    if output.output_type == "error":
        return "error", output.evalue
    return output.data.get("text/plain"), sorted(output.data)


def test_there_is_one_for_each_reader():
    assert NAMES == ["1_reproduce_the_paper", "2_my_own_data", "3_my_trained_model", "4_is_collapse_first_order",
                     "5_watch_a_training", "6_single_cells"]  # fmt: skip
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"]({name}.ipynb)" in index


@pytest.mark.slow
@every_notebook
def test_a_fresh_run_gives_what_is_stored(name, tmp_path):
    command = [sys.executable, str(FOLDER / "build.py"), name, "--into", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    fresh, stored = (shown(read(folder / f"{name}.ipynb")) for folder in (tmp_path, FOLDER))
    for now, before in zip(fresh, stored, strict=True):
        assert now == before, f"python notebooks/build.py {name}"


@every_notebook
def test_stored_outputs_are_fit_to_be_read(name):
    path = FOLDER / f"{name}.ipynb"
    assert path.stat().st_size < LARGEST
    notebook = read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kinds = [key for output in outputs for key in output.get("data", {})]
    assert kinds.count("image/png") >= 2
    for output in outputs:
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text
        text = output.get("text") or output.data.get("text/plain", "")
        assert not re.search(r"Warning|/(tmp|home|root|Users|work)/| at 0x", text), text


@every_notebook
def test_it_opens_with_what_the_reader_will_know_and_its_links_lead_somewhere(name):
    prose = [cell.source for cell in read(FOLDER / f"{name}.ipynb").cells if cell.cell_type == "markdown"]
    assert prose[0].startswith("# ")
    assert "**At the end you know**" in prose[0]
    for target in re.findall(r"\]\(([^)#]+)", "\n".join(prose)):
        assert target.startswith("https://") or (FOLDER / target).exists(), target
