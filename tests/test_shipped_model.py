"""The model in data/models: what its card says of it, its size, and that it has learnt people."""

import importlib.util
import re
from pathlib import Path

import pandas as pd
import pytest

from wbkit.commands.models import load_predictor, shipped_model
from wbkit.data import find_coco_folder
from wbkit.files import data_folder
from wbkit.runs import AP_COLUMNS, COLUMNS

ROOT = Path(__file__).resolve().parents[1]
CARD = ROOT / "data" / "models" / "README.md"


def tool():
    """tools/model_card.py as a module."""
    spec = importlib.util.spec_from_file_location("model_card", ROOT / "tools" / "model_card.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def measured() -> pd.DataFrame:
    predictor = load_predictor(None, device="cpu")
    return tool().measure(predictor, find_coco_folder(data_folder() / "wholebody-mini"))[0]


def stated() -> pd.DataFrame:
    """The card's first table."""
    block = CARD.read_text().split("<!-- measured -->")[1]
    lines = re.findall(r"^\| (\w+) \| (.+) \|$", block, re.MULTILINE)[:7]
    number = lambda cell: float("nan") if cell == "-" else float(cell)  # noqa: E731
    rows = {part: [number(cell) for cell in cells.split(" | ")] for part, cells in lines}
    return pd.DataFrame.from_dict(rows, orient="index", columns=tool().COLUMNS)


def test_the_card_states_what_is_measured(measured):
    pd.testing.assert_frame_equal(stated(), measured, check_names=False, atol=0.006, rtol=0)


def test_it_has_learnt_people(measured):
    """Well above the aims, .55 for the body and .35 for the whole."""
    assert measured.AP["body"] > 0.68
    assert measured.AP["foot"] > 0.62
    assert measured.AP["wholebody"] > 0.48


def test_its_file_is_small():
    assert shipped_model().stat().st_size <= 16e6


def test_curves_of_two_stages_are_joined(tmp_path):
    for name, loss in (("a", 0.2), ("b", 0.1)):
        (tmp_path / name).mkdir()
        rows = [f"{step},0,{loss},0.001,9,,,,,,," for step in (20, 40)]
        tests = "40,,,,,0.5,0.4,0.3,0.2,0.2,0.2,0.1"
        head = ",".join((*COLUMNS, *AP_COLUMNS))
        (tmp_path / name / "metrics.csv").write_text("\n".join([head, *rows, tests]) + "\n")
    tool().join_runs([tmp_path / "a", tmp_path / "b"], tmp_path)
    table = pd.read_csv(tmp_path / "training.csv")
    assert table.step.tolist() == [20, 40, 40, 60, 80, 80]
    assert table.stage.tolist() == ["a"] * 3 + ["b"] * 3
    assert (tmp_path / "training.png").stat().st_size > 5000
