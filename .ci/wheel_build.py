# ruff: noqa: INP001
"""Builds the wheel: setuptools, without what an earlier build has left.

setuptools puts all that lies in `build/lib` into a wheel, also files that are gone from the source
since: a migration that was renamed would be applied twice.
"""

import shutil
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 - the other hooks are those of setuptools


def build_wheel(*arguments: Any, **named: Any) -> str:
    """Build it from what is there now."""
    shutil.rmtree("build/lib", ignore_errors=True)
    return build_meta.build_wheel(*arguments, **named)
