import sys
from pathlib import Path

import torch

# a benchmark is a script: its neighbours are found beside it
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
torch.set_num_threads(1)
