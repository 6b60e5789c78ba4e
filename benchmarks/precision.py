"""Whether training in bfloat16 costs AP: the shipped model trained on, in both types (20 minutes).

python -m benchmarks.precision

Same weights, people, order and augmentation for each seed; only the type of the forward and backward pass
differs. On the embedded people, at crops of `SIZE`; AP on the embedded val set, with their boxes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from wbkit.files import data_folder

TYPES, PARTS = ("fp32", "bf16"), ["body", "wholebody"]
SIZE, EPOCHS, SEEDS = "128x192", 4, (0, 1, 2)  # smaller crops than its own: there is something to learn
LOSS = 0.01  # of the mean over the seeds


def measure(seeds: Sequence[int] = SEEDS, epochs: int = EPOCHS, size: str = SIZE) -> list[dict]:
    """A row for each type and seed: AP of `PARTS` after the last epoch; `first`, whole AP after the first."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for seed in seeds:
            for precision in TYPES:
                out = Path(name) / f"{precision}-{seed}"
                subprocess.run(_command(precision, seed, epochs, size, out), check=True)
                table = pd.read_csv(out / "metrics.csv").dropna(subset=PARTS)
                last = table.iloc[-1][PARTS].astype(float).to_dict()
                first = float(table.iloc[0]["wholebody"])
                rows.append({"precision": precision, "seed": seed, "first": first, **last})
    return rows


def _command(precision: str, seed: int, epochs: int, size: str, out: Path) -> list[str]:
    data = data_folder()
    return [
        *(str(Path(sys.executable).with_name("wbkit")), "train", "--recipe", "tiny", "--device", "cpu"),
        *("--init", str(data / "models" / "tiny.safetensors"), "--data", str(data / "wholebody-mini")),
        *("--precision", precision, "--input-size", size, "--epochs", str(epochs), "--seed", str(seed)),
        *("--out", str(out)),
    ]


def in_words(rows: list[dict]) -> str:
    """One sentence of them, for below the table."""
    means = pd.DataFrame(rows).groupby("precision")[["first", *PARTS]].mean()
    exact, fast = means.loc["fp32"], means.loc["bf16"]
    compared = ", ".join(f"{part} {fast[part]:.3f} beside {exact[part]:.3f}" for part in PARTS)
    reached = "reached" if (exact - fast)[PARTS].max() < LOSS else "MISSED"
    return (
        f"Training in bfloat16 beside float32 (`tiny` from its weights, crops of {SIZE}; {len(rows) // 2} "
        f"seeds each, mean AP after the last of {EPOCHS} epochs): {compared}; whole AP after the first epoch "
        f"was {fast['first']:.3f} beside {exact['first']:.3f}; a loss of less than {LOSS}: {reached}"
    )


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(
        "python -m benchmarks.precision", description=__doc__, formatter_class=raw
    ).parse_args()
    rows = measure()
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3f}".format))
    print(in_words(rows))


if __name__ == "__main__":
    main()
