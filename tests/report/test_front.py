"""The front page names every domain that has a report, after each run anew."""

import json
from pathlib import Path

from kedro.framework.hooks import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from igllm_pipelines.datasets.files import FilesDataset
from igllm_pipelines.hooks import FrontPageHook
from igllm_pipelines.report.front import PATH, front_page

ROW = {
    "metric": "l2",
    "title": "L2 [m]",
    "split": "val_ID",
    "encoding": "float",
    "value": 0.461,
    "low": 0.44,
    "high": 0.5,
    "scale": "Small.",
    "revision": "<abc>",
}


def write(folder: Path, domain: str, rows: list[dict]) -> None:
    page = folder / domain / PATH
    page.parent.mkdir(parents=True)
    page.write_text("")
    (folder / domain / "results.json").write_text(json.dumps(rows))


def test_front_page_links_reports_with_their_numbers(tmp_path: Path) -> None:
    assert "no report yet" in front_page(tmp_path)
    write(tmp_path, "clevr", [ROW, {**ROW, "metric": "parse_rate", "value": 99.0}])
    write(tmp_path, "2d", [])
    (tmp_path / "so3").mkdir()
    (tmp_path / "so3" / "results.json").write_text("[]")  # its page is missing
    html = front_page(tmp_path)
    for domain in ("clevr", "2d"):
        link = f"../{domain}/report/index.html"
        assert f'href="{link}"' in html
        assert (tmp_path / PATH).parent.joinpath(link).resolve().exists()
    assert "so3" not in html
    assert "L2 [m], val_ID, float" in html
    assert "0.44 to 0.50" in html
    assert "99.0" not in html
    assert "&lt;abc&gt;" in html


def run(hook: FrontPageHook, pipeline: Pipeline, catalog: DataCatalog) -> None:
    manager = _create_hook_manager()
    manager.register(hook)
    named = {"run_params": {}, "pipeline": pipeline, "catalog": catalog}
    manager.hook.before_pipeline_run(**named)
    SequentialRunner().run(pipeline, catalog, manager)
    manager.hook.after_pipeline_run(**named, run_result={})


def test_a_run_that_makes_a_report_writes_the_front_page(tmp_path: Path) -> None:
    write(tmp_path, "clevr", [ROW])
    report = FilesDataset(filepath=str(tmp_path / "clevr" / "report"))
    datasets = {"clevr.report": report, "other": MemoryDataset()}
    nothing = Pipeline([Node(lambda: 1, None, "other", name="nothing")])
    page = Node(lambda: {"index.html": b""}, None, "report", name="make")
    making = Pipeline([page], namespace="clevr")
    hook = FrontPageHook()
    run(hook, nothing, DataCatalog(datasets))
    assert not (tmp_path / PATH).exists()
    run(hook, making, DataCatalog(datasets))
    assert "val_ID, float" in (tmp_path / PATH).read_text()
    assert [p.name for p in (tmp_path / PATH).parent.iterdir()] == ["index.html"]
    run(hook, nothing, DataCatalog(datasets))
