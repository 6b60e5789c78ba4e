"""The published rows beside what was measured here: AP and AR of both systems, part by part.

Published are the numbers of MMPose 0.x's pages; those of MMPose 1.x differ by 0.002 at most for the same
checkpoints (`wbkit.study.published_dark.PUBLISHED_PARTS` has its W32).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from wbkit.errors import InputError
from wbkit.recipes import RECIPES, Recipe

SEEDS: dict[str, Recipe] = {name: recipe for name, recipe in RECIPES.items() if recipe.published}
"""The recipes with published numbers."""
UNMEASURED = "needs COCO"
COMMAND = "wbkit reproduce --data data/coco"
"""Fills `seeds_table`: it writes the files that the table is read from."""


def measured_file(folder: str | Path, name: str) -> Path:
    """Where `wbkit reproduce` writes a recipe's per-part table."""
    return Path(folder) / f"{name}.csv"


def seeds_table(measured: str | Path | None = None) -> pd.DataFrame:
    """Published AP and AR beside measured ones.

    Args:
        measured: the folder that `wbkit reproduce` wrote its tables to; None, or no file of a recipe
            there: nothing is measured.

    Returns:
        Rows (recipe, part); columns AP published, AP measured, AR published, AR measured, to three digits.
        Measured columns hold numbers, or `UNMEASURED`.

    Raises:
        InputError: a file in that folder is no such table.
    """
    rows = {}
    for name, recipe in SEEDS.items():
        file = None if measured is None else measured_file(measured, name)
        found = _read(file) if file and file.is_file() else None
        for part, published in recipe.published.items():
            row = dict(zip(("AP published", "AR published"), published, strict=True))
            for column in ("AP", "AR"):
                known = found is not None
                row[f"{column} measured"] = round(found.at[part, column], 3) if known else UNMEASURED
            rows[name, part] = row
    columns = [f"{column} {kind}" for column in ("AP", "AR") for kind in ("published", "measured")]
    table = pd.DataFrame.from_dict(rows, orient="index")[columns]
    return table.rename_axis(["recipe", "part"])


def _read(file: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(file, index_col="part")
        return table.astype({"AP": float, "AR": float}).loc[["body", "foot", "face", "hand", "wholebody"]]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"is no table of AP and AR by part ({error})", f"Delete it and run `{COMMAND}` again", file=file
        ) from error
