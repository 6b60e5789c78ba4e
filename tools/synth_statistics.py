"""Who is in a COCO-WholeBody data set, as a table: people, labelled and visible shares, sizes in px.

python tools/synth_statistics.py data/wholebody-mini data/coco
python tools/synth_statistics.py annotations.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from wbkit.annotations import load_annotations
from wbkit.columns import BOXED_PARTS, VALID_PARTS, Annotations
from wbkit.keypoints import PARTS

QUANTILES = (0.1, 0.5, 0.9)


def statistics(annotations: Annotations) -> pd.Series:
    """One column of the table. People: all that are no crowd; shares of their keypoints and parts.

    Sizes are the square root of a box's area, px, at 10, 50 and 90 % of the people who have that part.
    """
    people = ~annotations.crowd
    visibility = annotations.keypoints[people, :, 2]  # (N, 133)
    row = {
        "pictures": f"{len(annotations.image_ids)}",
        "people (a picture; most)": _people(annotations, people),
        "crowds": f"{(~people).sum()}",
        "valid: " + ", ".join(VALID_PARTS): " ".join(f"{v:.2f}" for v in annotations.valid[people].mean(0)),
    }
    for part in ("body", "foot", "face", "lefthand", "righthand"):
        v = visibility[:, PARTS[part]]
        row[f"{part} points labelled; visible of these"] = f"{(v > 0).mean():.2f}; {_visible(v)}"
    row["size of a body, px: 10, 50, 90 %"] = _sizes(annotations.boxes_xywh[people])
    for i, part in enumerate(BOXED_PARTS):
        row[f"size of a {part}"] = _sizes(annotations.part_boxes_xywh[people, i])
    return pd.Series(row)


def _people(annotations: Annotations, people: np.ndarray) -> str:
    _, counts = np.unique(annotations.person_image_ids[people], return_counts=True)
    return f"{people.sum()} ({people.sum() / len(annotations.image_ids):.1f}; {counts.max(initial=0)})"


def _visible(v: np.ndarray) -> str:
    """Share with v > 1 of those with v > 0; hands of the published files hold confidences instead."""
    if not (v > 0).any() or (v % 1 != 0).any():
        return "-"
    return f"{(v > 1).sum() / (v > 0).sum():.2f}"


def _sizes(boxes_xywh: np.ndarray) -> str:
    areas = boxes_xywh[:, 2:].prod(1)
    if not (areas > 0).any():
        return "-"
    return ", ".join(f"{s:.0f}" for s in np.quantile(np.sqrt(areas[areas > 0]), QUANTILES))


def table(paths: list[Path]) -> pd.DataFrame:
    """One column for each annotation file; a folder stands for its train and val files."""
    columns = {}
    for path in paths:
        for file in sorted(path.glob("annotations/coco_wholebody_*_v1.0.json")) if path.is_dir() else [path]:
            name = file.stem.removeprefix("coco_wholebody_").removesuffix("_v1.0")
            columns[f"{path.name} {name}" if path.is_dir() else name] = statistics(load_annotations(file))
    return pd.DataFrame(columns)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="FOLDER", help="or an annotation file")
    lines = table(parser.parse_args().paths)
    print("| | " + " | ".join(lines.columns) + " |")
    print("|" + " --- |" * (len(lines.columns) + 1))
    for name, row in lines.iterrows():
        print("| " + " | ".join([name, *row]) + " |")


if __name__ == "__main__":
    main()
