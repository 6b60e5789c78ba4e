"""Tables and figures as files, each written whole or not at all."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import partial
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from wbkit.failure_report.collect import MEANINGS, Findings
from wbkit.failure_report.columns import column_table
from wbkit.failure_report.figures import Drawing
from wbkit.failures import CLASSES, SLICINGS, VERDICTS
from wbkit.files import atomic_write
from wbkit.keypoints import PARTS
from wbkit.plots import words

_SETTINGS = {"pdf.fonttype": 42, "svg.fonttype": "none", "savefig.bbox": "tight"}
_DPI = 140
_OF_SOME = {
    *(
        f"{kind}_{part}"
        for kind in ("waterfall", "confusions", "comparison_slices")
        for part in (*PARTS, "hand")
    ),
    *(f"{kind}_{by}" for kind in ("slices", "sensitivity") for by in SLICINGS),
    *(f"comparison_{kind}" for kind in ("parts", "keypoints", "fixed_broken", "changes")),
}
"""Figures that not every run has."""


def write_tables(findings: Findings, folder: Path, *, keypoints_csv: bool = False) -> list[Path]:
    """Every table as parquet and CSV in `folder`; what they say in README.txt, their columns in columns.csv.

    Detections are numbered as in the results file. Tables of an earlier run that this one has not go.

    Args:
        keypoints_csv: write the large table of all keypoints as CSV too (some hundred MB for val2017).
    """
    written, records = [], findings.analysis.results.records
    for name, table in (*findings.tables.items(), ("keypoints", findings.keypoints)):
        table = table if records is None else _numbered(table, records)
        numbers = table.index.nlevels == 1 and not table.index.name and table.index.dtype.kind == "i"
        kinds = {".parquet": table.to_parquet, ".csv": partial(table.to_csv, index=not numbers)}
        for ending, write in kinds.items():
            if ending == ".csv" and name == "keypoints" and not keypoints_csv:
                continue
            with atomic_write(folder / f"{name}{ending}") as temporary:
                write(temporary)
            written.append(folder / f"{name}{ending}")
    _remove_others(folder, MEANINGS, (".csv", ".parquet"), written)
    with atomic_write(folder / "columns.csv") as temporary:
        column_table(findings).to_csv(temporary, index=False)
    lines = [f"{name}: {MEANINGS[name]}\n" for name in (*findings.tables, "keypoints")]
    with atomic_write(folder / "README.txt") as temporary:
        temporary.write_text("".join([*lines, "columns: What each column says.\n"]), encoding="utf-8")
    return written


def write_figures(drawings: Iterable[Drawing], folder: Path) -> dict[str, str]:
    """Draw each figure and write it as PNG and PDF; those of an earlier run that this one has not go.

    Returns:
        name -> the picture as base64 PNG, for the page.
    """
    pictures, written = {}, []
    for drawing in drawings:
        drawn = drawing.draw()
        ax = drawn[0] if isinstance(drawn, list) else drawn
        with plt.rc_context(_SETTINGS):
            whole = _laid_out(ax.figure)
            for ending in (".png", ".pdf"):
                with atomic_write(folder / f"{drawing.name}{ending}") as temporary:
                    ax.figure.savefig(temporary, dpi=_DPI, bbox_inches=whole)
                written.append(folder / f"{drawing.name}{ending}")
        content = (folder / f"{drawing.name}.png").read_bytes()
        pictures[drawing.name] = base64.b64encode(content).decode()
        plt.close(ax.figure)
    _remove_others(folder, _OF_SOME, (".png", ".pdf"), written)
    return pictures


def _laid_out(figure: Figure) -> Bbox:
    """Lay the figure out once for all its files, and say how much paper it needs (inches)."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure.get_tightbbox().padded(plt.rcParams["savefig.pad_inches"])


def _numbered(table: pd.DataFrame, records: np.ndarray) -> pd.DataFrame:
    """The table with detections numbered as in the results file, of which some may have been left out."""
    of_file = np.append(records, -1)  # -1: none
    table = table.assign(**{name: of_file[table[name]] for name in ("detection", "rival") if name in table})
    if table.index.name == "detection":
        table.index = pd.Index(of_file[table.index], name="detection")
    return table


def _remove_others(folder: Path, names: Iterable[str], endings: tuple[str, ...], written: list[Path]) -> None:
    """Remove what an earlier run wrote under these names and this one did not."""
    for name in names:
        for ending in endings:
            if (path := folder / f"{name}{ending}") not in written:
                path.unlink(missing_ok=True)


def png_text(ax: Axes, dpi: int = _DPI) -> str:
    """The figure of an Axes as base64 PNG."""
    content = BytesIO()
    with plt.rc_context(_SETTINGS):
        ax.figure.savefig(content, dpi=dpi, format="png")
    return base64.b64encode(content.getvalue()).decode()


def table_text(table: pd.DataFrame, *, digits: int = 3, css: str = "") -> str:
    """A small table as HTML: numbers rounded, no border, text escaped; names as people write them."""
    shown = spelled_out(table).rename(columns=lambda name: words(str(name))).rename_axis(columns=None)
    style = {"na_rep": "–", "border": 0, "index_names": False, "classes": css or None}
    return shown.to_html(float_format=f"{{:.{digits}f}}".format, **style)


def spelled_out(table: pd.DataFrame) -> pd.DataFrame:
    """The same with parts and causes as people write them ("left hand"); keypoints keep their names."""
    names = {name: words(name) for name in (*PARTS, "hand", *CLASSES, *VERDICTS)}
    shown = table.copy()
    shown.index = [names.get(name, name) for name in table.index]
    for column in table.select_dtypes(["category", "object", "string"]):
        shown[column] = [names.get(value, value) for value in table[column]]
    return shown


def with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """Columns x, x_low, x_high as one of text, such as "0.582 (0.571 to 0.593)"; others as they are."""
    names = [name for name in table if not name.endswith(("_low", "_high"))]
    shown = table[names].copy()
    for name in names:
        if f"{name}_low" in table:
            ends = zip(*(table[name + end] for end in ("", "_low", "_high")), strict=True)
            shown[name] = [
                f"{middle:.3f}" + (f" ({low:.3f} to {high:.3f})" if low == low else "")  # NaN: not known
                for middle, low, high in ends
            ]
    return shown
