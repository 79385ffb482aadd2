"""How many threads torch works with."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Sets torch's threads for a while; 0: ``OMP_NUM_THREADS``, else one a core."""
    before = torch.get_num_threads()
    asked = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(count or (int(asked) if asked.isdigit() else _cores()) or 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
