"""wbkit: learn, run and take apart whole-body human pose estimation.

Import what you need from its modules (`from wbkit.predict import Predictor`); this file stays
empty so that the evaluation half never pays for, or needs, torch.
"""

__version__ = "0.1.0"
