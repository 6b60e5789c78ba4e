"""Empty stand-ins for mmdet and mmcv's compiled operators, which MMPose's models import without need."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types


class _AnyName(types.ModuleType):
    """A module in which every public name is an empty class."""

    __path__ = ()

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds them under their names."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "mmdet" or name.split(".")[:2] == ["mmcv", "ops"]:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return _AnyName(spec.name)

    def exec_module(self, module):
        pass


def install() -> None:
    """From now on these imports succeed in this process, and give stand-ins even where the real ones are."""
    if not any(isinstance(finder, _Stubs) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Stubs())
