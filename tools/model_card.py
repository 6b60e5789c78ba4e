"""Measure the model in data/models and write the numbers into its card; also join the curves of its runs.

python tools/model_card.py                                   print the table of the embedded val set
python tools/model_card.py --sample DIR --out outputs/card   also of photographs, and drawings; write the card
python tools/model_card.py --runs outputs/a outputs/b        only training.csv and training.png, by stage

Between the marks `<!-- measured -->` and `<!-- end -->` data/models/README.md is written by this tool.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pandas as pd

from wbkit.annotations import load_annotations
from wbkit.commands.models import load_predictor, shipped_model
from wbkit.data import CocoFolder, Persons, find_coco_folder, persons_from_annotations
from wbkit.files import atomic_write, data_folder
from wbkit.keypoints import PARTS
from wbkit.pictures import read_image
from wbkit.pipeline import predict_persons, score
from wbkit.plots import draw_pose, training_curves
from wbkit.predict import Predictor
from wbkit.study.placement import PCK_LIMITS, placement

COLUMNS = ("AP", "AR", "mean OKS", *PCK_LIMITS)
MARKS = ("<!-- measured -->", "<!-- end -->")


def measure(predictor: Predictor, folder: CocoFolder) -> tuple[pd.DataFrame, np.ndarray, Persons]:
    """AP, AR, mean OKS and PCK by part with ground-truth boxes; keypoints (N, 133, 3); the persons."""
    annotations = load_annotations(folder.annotations)
    persons = persons_from_annotations(annotations)
    raw, failures = predict_persons(predictor, persons, folder.images, workers=0, progress=False)
    if failures:
        raise SystemExit(f"{len(failures)} people were not predicted: {failures[0]}")
    table = score(annotations, raw, predictor.recipe)[1][["AP", "AR"]]
    table = table.join(placement(annotations, persons.ids, raw.keypoints))
    return table.loc[[*PARTS, "hand"], list(COLUMNS)], raw.keypoints, persons


def both_ways(predictor: Predictor, folder: CocoFolder, title: str, out: Path | None = None) -> dict:
    """Title -> table of both looks, and of the first alone; drawings of both looks in `out`."""
    table, keypoints, persons = measure(predictor, folder)
    if out:
        draw(keypoints, persons, folder, out)
    tables, zoom = {title: table}, predictor.zoom
    if zoom:
        predictor.zoom = None
        tables[f"The same in one look (`--zoom none`): {title}"] = measure(predictor, folder)[0]
        predictor.zoom = zoom
    return tables


def markdown(tables: dict[str, pd.DataFrame]) -> str:
    """The measured part of the card."""
    lines = []
    for title, table in tables.items():
        lines += ["", f"**{title}**", "", "| | " + " | ".join(table.columns) + " |", "|" + " --- |" * 6]
        for part, row in table.iterrows():
            cells = ["-" if np.isnan(v) else f"{v:.3f}".lstrip("0") or "0" for v in row]
            lines.append(f"| {part} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n"


def write_card(card: Path, text: str) -> None:
    """Replace what stands between the marks."""
    before, rest = card.read_text().split(MARKS[0])
    with atomic_write(card) as temporary:
        temporary.write_text(f"{before}{MARKS[0]}\n{text}{MARKS[1]}{rest.split(MARKS[1])[1]}")


def join_runs(runs: list[Path], out: Path) -> None:
    """training.csv and training.png: the metrics of all stages, their updates counted through."""
    parts, done = [], 0
    for run in runs:
        rows = pd.read_csv(run / "metrics.csv")
        parts.append(rows.assign(step=rows.step + done, stage=run.name))
        done += int(rows.step.max())
    table = pd.concat(parts)
    with atomic_write(out / "training.csv") as temporary:
        table.to_csv(temporary, index=False)
    with atomic_write(out / "training.png") as temporary:
        training_curves(table)[0].figure.savefig(temporary, dpi=90)


def draw(keypoints: np.ndarray, persons: Persons, folder: CocoFolder, out: Path) -> None:
    """Every picture of `folder` with its predicted people, to look at."""
    out.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(persons.file_names.tolist()):
        found = keypoints[persons.file_names == name]
        picture = draw_pose(read_image(folder.images / name), found[..., :2], found[..., 2])
        cv2.imwrite(str(out / f"{Path(name).stem}.png"), picture[..., ::-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, help="another model: print only")
    parser.add_argument("--sample", type=Path, metavar="DIR", help="a second COCO-WholeBody folder")
    parser.add_argument("--out", type=Path, metavar="DIR", help="drawings of its pictures")
    parser.add_argument("--runs", type=Path, nargs="+", metavar="DIR", help="folders of `wbkit train`")
    options = parser.parse_args()
    matplotlib.use("Agg")
    models = data_folder() / "models"
    if options.runs:
        return join_runs(options.runs, models)
    predictor = load_predictor(options.checkpoint or shipped_model(), device="cpu")
    embedded = find_coco_folder(data_folder() / "wholebody-mini")
    tables = both_ways(predictor, embedded, "data/wholebody-mini, val, ground-truth boxes")
    if options.sample:
        folder = find_coco_folder(options.sample)
        persons = persons_from_annotations(load_annotations(folder.annotations))
        pictures = len(set(persons.file_names.tolist()))
        title = f"{len(persons)} people in {pictures} photographs of COCO val2017, ground-truth boxes"
        tables |= both_ways(predictor, folder, title, options.out)
    print(markdown(tables))
    if options.sample and not options.checkpoint:  # without photographs their tables would go
        write_card(models / "README.md", markdown(tables))


if __name__ == "__main__":
    main()
