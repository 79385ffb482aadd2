import sys
from pathlib import Path

# a benchmark is a script: its neighbours are found beside it
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
