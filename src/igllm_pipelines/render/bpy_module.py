"""Blender's Python module, bpy: is it here, which version, its import.

bpy comes with the extra ``render``, and for Python 3.11 alone. Everything but pictures
of rendered scenes works without it; whoever starts Blender asks `bpy_version` first.
"""

import os
import platform
import sys
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType

INSTALL = 'pip install "igllm-pipelines[render]", with Python 3.11'
LIBRARIES = "libgl1 libsm6 libxext6 libxfixes3 libxi6 libxkbcommon0 libxrender1"


class BlenderUnavailableError(RuntimeError):
    """Blender cannot start here: says what to install."""


def bpy_version() -> str:
    """Version of the module that is installed; nothing is imported.

    Raises:
        BlenderUnavailableError: none is.
    """
    if not has_bpy():
        raise BlenderUnavailableError(_absent())
    return version("bpy")


def has_bpy() -> bool:
    """Whether the module is installed."""
    return find_spec("bpy") is not None


def import_bpy() -> ModuleType:
    """Imports bpy.

    Raises:
        BlenderUnavailableError: bpy or a system library that it needs is missing.
    """
    # Blender's task library starts a worker for each core it may use, and a worker
    # without work spins: let it see one core, then take all of them back
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        import bpy
    except ModuleNotFoundError as error:
        raise BlenderUnavailableError(_absent()) from error
    except ImportError as error:
        raise BlenderUnavailableError(
            f"Blender's Python module cannot be loaded ({error}): install its system "
            f"libraries, on Debian or Ubuntu by: sudo apt-get update && "
            f"sudo apt-get install -y --no-install-recommends {LIBRARIES}"
        ) from error
    finally:
        os.sched_setaffinity(0, cores)
    return bpy


def _absent() -> str:
    here = ""
    if sys.version_info[:2] != (3, 11):
        here = f"; this is Python {platform.python_version()}"
    return f"Blender's Python module, bpy, is not installed: {INSTALL}{here}"
