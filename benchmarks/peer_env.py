"""The peers' own environment: MMPose 1.3.2 wants NumPy 1 and packages that wbkit must not have."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".venv-peers"
STEPS = (
    ["torch==2.13.0", "numpy==1.26.4", "setuptools<81", "opencv-python<4.12", "scipy", "matplotlib", "six"],
    [
        "mmengine==0.10.7",
        "mmcv-lite==2.1.0",
        "xtcocotools==1.14.3",
        "json_tricks",
        "munkres",
        "hotcoco==1.3.0",
    ],
    ["--no-deps", "mmpose==1.3.2"],  # its dependencies would build mmcv's operators, which none here needs
)


def ready(install: bool = True) -> Path | None:
    """The environment's Python; None, and why, where it cannot be made (no Python 3.11, no network)."""
    python, stamp = FOLDER / "bin" / "python", FOLDER / ".installed"
    if stamp.exists():
        return python
    base = shutil.which("python3.11")
    if not install or base is None:
        print(
            "Peers left out: "
            + ("--no-peers" if base else "there is no python3.11 (xtcocotools' wheels end there)")
        )
        return None
    print(f"Making {FOLDER.name} for MMPose, xtcocotools and hotcoco (once; some minutes) ...", flush=True)
    try:
        subprocess.run([base, "-m", "venv", str(FOLDER)], check=True)
        for step in STEPS:
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *step], check=True)
    except subprocess.CalledProcessError as error:
        print(f"Peers left out: {error}")
        return None
    stamp.touch()
    return python
