"""The viewer in a notebook: run by papermill, compared by nbval, and small on disk."""

import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_notebook


@pytest.mark.slow
def test_notebook_passes_papermill_and_nbval_and_stays_small(tmp_path: Path) -> None:
    """Executed, stored without widget state, and compared: the picture is the same, the repr has no address."""
    code = [
        "import numpy as np\nfrom kits_msan.data.cases import Case, kits_affine\nfrom kits_msan import SliceViewer",
        "image = np.random.default_rng(0).normal(40, 200, (24, 128, 128)).astype(np.int16)\n"
        "label = np.zeros(image.shape, np.uint8)\nlabel[8:16, 40:80, 40:80] = 1\nlabel[10:14, 50:60, 50:60] = 2",
        "case = Case('case_00000', image, label, (5., 2., 2.), kits_affine((5., 2., 2.)))\n"
        "viewer = SliceViewer(case, {f'model {n}': label for n in range(6)})\nviewer",
        "viewer.index += 1\nviewer.index",
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in code], metadata={"kernelspec": kernel})
    nbformat.write(notebook, tmp_path / "plain.ipynb")
    papermill.execute_notebook(
        tmp_path / "plain.ipynb", tmp_path / "run.ipynb", progress_bar=False, store_widget_state=False
    )
    assert (tmp_path / "run.ipynb").stat().st_size < 0.3e6
    assert "widgets" not in nbformat.read(tmp_path / "run.ipynb", as_version=4).metadata
    command = [sys.executable, "-m", "pytest", "--nbval", "-p", "no:cacheprovider", "-q", "run.ipynb"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert "4 passed" in result.stdout, result.stdout
