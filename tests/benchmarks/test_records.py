import json
import math

import pytest
from records import Record, less_is_better, more_is_better, write_records


def test_ratios_above_one_say_that_ours_is_better():
    assert more_is_better("speed", 6.0, 4.0, "images/s").ratio == 1.5
    assert less_is_better("time", 2.0, 5.0, "s").ratio == 2.5


def test_file_holds_the_records(tmp_path):
    file = tmp_path / "out.json"
    write_records(file, [less_is_better("time", 2.0, 5.0, "s")])
    expected = {"name": "time", "ours": 2.0, "baseline": 5.0, "ratio": 2.5, "unit": "s"}
    assert json.loads(file.read_text()) == [expected]
    assert list(tmp_path.iterdir()) == [file]


def test_what_was_not_measured_is_an_error():
    with pytest.raises(ValueError, match="speed: nan is no measurement"):
        Record("speed", math.nan, 1.0, 1.0, "s")


def test_rendering_is_compared_with_bare_cycles_and_with_one_worker():
    from render import records

    def run(speed, bare, late):
        memory = {"after 1": 1.0, "after 10": 100.0, "after 100": late, "peak": 200.0}
        return {"images_per_s": speed, "bare_images_per_s": bare, "memory_mib": memory}

    found = records({"runs": {"1": run(4.0, 5.0, 125.0), "2": run(6.0, 8.0, 100.0)}})
    ratios = {record.name: record.ratio for record in found}
    assert ratios == {
        "rendering, 1 worker, against bare Cycles": 0.8,
        "memory of a worker, 1 worker, after 100 scenes against after 10": 0.8,
        "rendering, 2 workers, against bare Cycles": 0.75,
        "rendering, 2 workers, against 1": 1.5,
        "memory of a worker, 2 workers, after 100 scenes against after 10": 1.0,
    }
