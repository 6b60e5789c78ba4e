"""Whether training in bfloat16 costs AP: the shipped model trained on, in both types (20 minutes).

python -m benchmarks.training_types

Same weights, people, order and augmentation for each seed; what differs is the type in which the network is
trained and scored. On the embedded people, at crops of `SIZE`; AP on the embedded val set, with ground-truth
boxes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from wbkit.files import data_folder

TYPES, PARTS = ("fp32", "bf16"), ["body", "wholebody"]
SIZE, EPOCHS, SEEDS = "128x192", 4, (0, 1, 2)  # smaller crops than its own: there is something to learn
LIMIT = 0.01  # of AP lost, of the mean over the seeds


def measure() -> dict:
    """What was done (`size`, `epochs`), and `rows`, one a run.

    A row has the type, the seed, whole AP after the first epoch (`first`), AP of `PARTS` after the last.
    """
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for seed in SEEDS:
            for precision in TYPES:
                out = Path(name) / f"{precision}-{seed}"
                subprocess.run(
                    [sys.executable, "-m", "wbkit.cli", *options(precision, seed, out)], check=True
                )
                table = pd.read_csv(out / "metrics.csv").dropna(subset=PARTS)
                table = table[table.step > 0]  # before the first update there was nothing to learn from
                last = table.iloc[-1][PARTS].astype(float).to_dict()
                first = float(table.iloc[0]["wholebody"])
                rows.append({"precision": precision, "seed": seed, "first": first, **last})
    return {"size": SIZE, "epochs": EPOCHS, "rows": rows}


def options(precision: str, seed: int, out: Path) -> list[str]:
    """The command line of one run, from "train" on."""
    data = data_folder()
    return [
        *("train", "--recipe", "tiny", "--init", str(data / "models" / "tiny.safetensors")),
        *("--data", str(data / "wholebody-mini"), "--device", "cpu", "--precision", precision),
        *("--input-size", SIZE, "--epochs", str(EPOCHS), "--seed", str(seed), "--out", str(out)),
    ]


def in_words(measured: dict) -> str:
    """Two sentences, for below the table."""
    rows = pd.DataFrame(measured["rows"])
    means = rows.groupby("precision")[["first", *PARTS]].mean()
    exact, fast = means.loc["fp32"], means.loc["bf16"]
    compared = ", ".join(f"{part} {fast[part]:.3f} beside {exact[part]:.3f}" for part in PARTS)
    reached = "reached" if ((exact - fast)[PARTS] < LIMIT).all() else "MISSED"
    width, height = measured["size"].split("x")  # an option of the command line; in words height comes first
    return (
        f"Training in bfloat16 beside float32 (`tiny` from its weights at crops of {height}x{width}, "
        f"{measured['epochs']} epochs of the embedded people; mean AP of {len(rows) // 2} seeds): "
        f"{compared}; limit {LIMIT} of AP lost: {reached}. It is a short run, in which there was something "
        f"to learn: whole AP was {fast['first']:.3f} beside {exact['first']:.3f} after the first epoch."
    )


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(
        "python -m benchmarks.training_types", description=__doc__, formatter_class=raw
    ).parse_args()
    measured = measure()
    print(pd.DataFrame(measured["rows"]).to_string(index=False, float_format="{:.3f}".format))
    print(in_words(measured))


if __name__ == "__main__":
    main()
