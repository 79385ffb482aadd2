from igllm_pipelines.assets import Asset, AssetsConfig, Catalog, Problem, load_catalog
from igllm_pipelines.assets.report import describe


def test_numbers_per_category():
    text = describe(load_catalog(AssetsConfig(per_category=10)))
    rows = [line.split() for line in text.splitlines()]
    assert rows[1:4] == [["chair", "8", "2", "0"], ["sofa", "8", "2", "0"],
                         ["table", "8", "2", "0"]]  # fmt: skip
    assert text.endswith("no problems")


def test_each_problem_with_its_file():
    catalog = Catalog(
        (Asset("chair_a", "chair", (1, 0, 0)),),
        (
            Problem("chair_b", "b.obj", "the mesh is empty"),
            Problem("chair_a", "a.obj", "the mesh is flat", fatal=False),
        ),
    )
    assert describe(catalog).splitlines()[1:] == [
        "chair            1         0         2",
        "",
        "2 problems, 1 of them of models left out:",
        "  left out: chair_b (b.obj)",
        "    the mesh is empty",
        "  warning: chair_a (a.obj)",
        "    the mesh is flat",
    ]
