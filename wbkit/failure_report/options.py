"""What `wbkit analyse` can be told, and the text that explains it."""

from __future__ import annotations

import argparse
from pathlib import Path

EPILOG = """examples:
  wbkit analyse --annotations coco_wholebody_val_v1.0.json --results results.json --out outputs/analysis
  wbkit analyse --annotations A.json --results R.json --rescore --intervals 200
  wbkit analyse --annotations A.json --results old.json --results-b new.json --out outputs/old_new

Every labelled keypoint of every person gets one row and one cause: good, jitter, inversion, swap or miss
(Ronchi & Perona, ICCV 2017), and for whole bodies hand swap, wrong finger, contour slide, collapse, part not
predicted, person missed. Each cause is then repaired by an oracle: the AP that this brings is its cost. A
repair puts points onto their labels; --target margin moves them only as near as the next class (a jitter to
keypoint similarity .85, a miss to .5), as Ronchi & Perona do.

report.html   one page with everything, opens offline; its last sections define every class and name the files
tables/       each table as parquet and CSV; keypoints.parquet is the row per keypoint, for pandas;
              columns.csv says what each column holds
figures/      each figure as PNG and PDF

Results of any model will do, and no torch is needed. What wbkit predict writes needs --rescore."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--annotations", type=Path, required=True, metavar="A.json", help="COCO-WholeBody annotations"
    )
    parser.add_argument(
        "--results", type=Path, required=True, metavar="R.json", help="COCO-WholeBody results of any model"
    )
    parser.add_argument("--results-b", type=Path, metavar="B.json", help="other results to compare with")
    parser.add_argument(
        "--rescore",
        nargs="?",
        choices=("a", "b", "both"),
        const="both",
        help="first rescore (box score x mean keypoint score) and suppress duplicates, as MMPose: those of "
        "--results (a), of --results-b (b), or, without a word behind it, of both",
    )
    parser.add_argument(
        "--intervals",
        type=int,
        default=0,
        metavar="N",
        help="bootstrap resamples for 95 %% intervals; 200 is usual (default: none, but 100 for --results-b)",
    )
    parser.add_argument(
        "--target",
        choices=("truth", "margin"),
        default="truth",
        help="where repairs put points: onto the label, or as near as the next class (default: truth)",
    )
    _what_to_write(parser)


def _what_to_write(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="pictures for the gallery (else: looked for near A.json)",
    )
    parser.add_argument(
        "--tables-only",
        action="store_true",
        help="the summary and tables/, without figures and page: a few seconds, for many results in a row",
    )
    parser.add_argument(
        "--keypoints-csv", action="store_true", help="the row per keypoint as CSV too (large)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("outputs/analysis"), metavar="DIR", help="default: %(default)s"
    )
