"""What the notebooks share: one beginning that makes their numbers repeatable, and checks for exercises."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import torch

STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "image.interpolation": "nearest",
}
"""matplotlib's settings in the notebooks."""


def begin(seed: int = 0, threads: int = 2) -> np.random.Generator:
    """Make what follows repeatable: seeds, a fixed number of threads, one figure style.

    Args:
        seed: of torch and of the generator returned.
        threads: of torch's CPU kernels: their sums depend on it in the last digits.

    Returns:
        NumPy's generator for the notebook's own random numbers.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    plt.rcParams.update(STYLE)
    return np.random.default_rng(seed)


def check(title: str, test: Callable[[], None]) -> bool:
    """Say whether an exercise is solved.

    Args:
        title: of the exercise, such as "1. Flip a person".
        test: calls the reader's function and asserts what it must do; the message of the assertion is
            the hint they see. Any other exception counts as "not yet", too.

    Returns:
        True if `test` passed; printed as well, in words.
    """
    try:
        test()
    except AssertionError as error:
        print(f"{title}: not yet. {error}".rstrip())
        return False
    except Exception as error:  # a half-written answer may fail anyhow
        print(f"{title}: not yet. Your code raised {type(error).__name__}: {error}")
        return False
    print(f"{title}: solved")
    return True
