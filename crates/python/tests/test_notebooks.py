"""The book's notebooks run, with few steps on a small picture and thin random weights."""

from pathlib import Path

import impasto
import pytest

ROOT = Path(__file__).resolve().parents[3]
NOTEBOOKS = sorted((ROOT / "docs/book/notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.skipif(not hasattr(impasto, "transfer"), reason="built with the gradient checker alone")


def test_there_is_one_for_each_chapter_from_7_to_11():
    assert [path.name[:2] for path in NOTEBOOKS] == ["07", "08", "09", "10", "11"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("IMPASTO_WEIGHTS", str(ROOT / "tests/data/vgg19-thin.npz"))
    monkeypatch.setenv("STEPS", "6")
    monkeypatch.setenv("SIZE", "48")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert all(cell.cell_type != "code" or not cell.outputs for cell in notebook.cells), "outputs are not committed"
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}})
    client.execute()
