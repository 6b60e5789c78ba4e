"""The seeds' table and the command that fills it; the numbers are typed anew from MMPose's model zoo."""

import argparse

import numpy as np
import pandas as pd
import pytest

from wbkit.cli import build_parser, main
from wbkit.commands import reproduce as module
from wbkit.errors import InputError
from wbkit.published import COMMAND, UNMEASURED, measured_file, seeds_table

PARTS = ["body", "foot", "face", "hand", "wholebody"]
AP = {
    "w32_dark_256x192": [0.694, 0.565, 0.736, 0.503, 0.582],
    "w48_dark_plus_384x288": [0.742, 0.705, 0.840, 0.602, 0.661],
}
AR = {
    "w32_dark_256x192": [0.764, 0.674, 0.808, 0.602, 0.671],
    "w48_dark_plus_384x288": [0.807, 0.804, 0.892, 0.694, 0.743],
}


def write_table(path, ap=0.5, ar=0.25):
    """As `wbkit evaluate --out` writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [*PARTS, "lefthand", "righthand"]
    pd.DataFrame({"AP": ap, "AR": ar}, index=pd.Index(rows, name="part")).to_csv(path)


@pytest.mark.parametrize("name", AP)
def test_published_columns_and_nothing_measured(name):
    table = seeds_table().loc[name]
    assert table.index.tolist() == PARTS
    assert table["AP published"].tolist() == AP[name]
    assert table["AR published"].tolist() == AR[name]
    assert (table[["AP measured", "AR measured"]] == UNMEASURED).all(axis=None)


def test_what_was_measured_stands_beside(tmp_path):
    write_table(measured_file(tmp_path, "w32_dark_256x192"), ap=0.58249, ar=0.1)
    table = seeds_table(tmp_path)
    assert table.loc["w32_dark_256x192", "AP measured"].tolist() == [0.582] * 5
    assert table.loc["w32_dark_256x192", "AR measured"].tolist() == [0.1] * 5
    assert (table.loc["w48_dark_plus_384x288", "AP measured"] == UNMEASURED).all()


@pytest.mark.parametrize("content", ["", "part,AP\nbody,0.1\n", "part,AP,AR\nbody,x,0.1\n"])
def test_a_file_that_is_no_table_is_named(tmp_path, content):
    measured_file(tmp_path, "w32_dark_256x192").write_text(content)
    with pytest.raises(InputError, match=r"w32_dark_256x192\.csv.*is no table"):
        seeds_table(tmp_path)


# --- wbkit reproduce ---------------------------------------------------------------------------------


@pytest.fixture
def evaluations(monkeypatch):
    """What `evaluate_checkpoint` was called with; it writes a table instead of hours of work."""
    calls = []

    def evaluate(options: argparse.Namespace) -> None:
        calls.append(options)
        write_table(options.out)

    monkeypatch.setattr(module, "evaluate_checkpoint", evaluate)
    return calls


def test_the_command_measures_both_systems_as_published(evaluations, tmp_path, capsys):
    assert main(["reproduce", "--data", "somewhere", "--out", str(tmp_path)]) == 0
    assert [call.checkpoint for call in evaluations] == list(AP)
    for call in evaluations:
        assert (call.recipe, call.boxes, call.no_flip, call.bf16) == (
            call.checkpoint,
            "detections",
            False,
            False,
        )
        assert str(call.data) == "somewhere"
        # every option that the evaluation asks for is there
        asked = vars(build_parser().parse_args(["evaluate", "--data", "x"])).keys()
        assert asked - vars(call).keys() <= {"annotations", "results", "rescore", "reference", "input_size"}
    assert UNMEASURED not in capsys.readouterr().out
    assert np.allclose(seeds_table(tmp_path)["AP measured"].astype(float), 0.5)


def test_what_is_done_is_not_done_again(evaluations, tmp_path):
    write_table(measured_file(tmp_path, "w32_dark_256x192"))
    assert main(["reproduce", "--out", str(tmp_path)]) == 0
    assert [call.checkpoint for call in evaluations] == ["w48_dark_plus_384x288"]


def test_a_table_with_people_missing_is_not_kept(monkeypatch, tmp_path, capsys):
    def broken(options: argparse.Namespace) -> None:
        write_table(options.out)
        raise InputError("3 of 9 persons are missing from this table", "Fetch these pictures again")

    monkeypatch.setattr(module, "evaluate_checkpoint", broken)
    assert main(["reproduce", "--out", str(tmp_path)]) == 2
    assert "persons are missing" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_coco_it_says_what_is_missing(tmp_path, capsys):
    missing = tmp_path / "coco"
    assert main(["reproduce", "--data", str(missing), "--out", str(tmp_path)]) == 2
    assert f"{missing}: the folder is missing" in capsys.readouterr().err


def test_the_command_that_is_named_can_be_called():
    assert build_parser().parse_args(COMMAND.split()[1:]).command == "reproduce"
