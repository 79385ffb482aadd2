"""Shape checks for the modules that annotate tensors, and the order of the files."""

import os
from collections import Counter

from igllm_pipelines.quiet import be_quiet

be_quiet()
# small tensors: more threads only wait for each other, and `make test` is two processes
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

# how long an example takes says more about the machine than about the code
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
install_import_hook("igllm_pipelines.model", "beartype.beartype")


def pytest_collection_modifyitems(config, items):
    """Of several processes one starts with the longest file, the other with the next.

    The order in a file stays: its fixtures are made once.
    """
    if hasattr(config, "workerinput"):  # in a process of pytest-xdist
        long = Counter(
            item.path
            for item in items
            if item.get_closest_marker("slow") or item.get_closest_marker("blender")
        )
        items.sort(key=lambda item: -long[item.path])
