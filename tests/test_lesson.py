"""The notebooks' beginning repeats its numbers; exercise checks say what they should."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from wbkit.study.lesson import begin, check


@pytest.fixture
def keep_settings():
    before = torch.get_num_threads()
    with plt.rc_context():
        yield
    torch.set_num_threads(before)


def test_begin_repeats(keep_settings):
    first = begin(3), torch.rand(2)
    second = begin(3), torch.rand(2)
    assert first[0].random() == second[0].random()
    assert torch.equal(first[1], second[1])
    assert begin(4).random() != begin(3).random()
    assert torch.get_num_threads() == 2


def fails():
    assert np.pi == 3, "pi is not 3"


def breaks():
    return None + 1


@pytest.mark.parametrize(
    ("test", "solved", "said"),
    [
        (lambda: None, True, "1. Round: solved\n"),
        (fails, False, "1. Round: not yet. pi is not 3\n"),
        (breaks, False, "1. Round: not yet. Your code raised TypeError: "),
    ],
)
def test_check_says_whether_it_is_solved(capsys, test, solved, said):
    assert check("1. Round", test) is solved
    assert capsys.readouterr().out.startswith(said)
