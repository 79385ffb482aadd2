"""Lines for people, and what the processes of a group share."""

import pytest
from kedro.pipeline import Node, Pipeline

from igllm_pipelines.guards import GroupHook
from igllm_pipelines.hooks import ProgressHook


def test_summaries_come_at_the_end(capsys):
    hook = ProgressHook()
    hook.before_pipeline_run(Pipeline([]))
    hook.after_dataset_saved("2d.summary", "the table")
    assert capsys.readouterr().out == ""
    hook.after_pipeline_run()
    assert "the table" in capsys.readouterr().out


def training_of_two(rank, monkeypatch, *others):
    """What GroupHook makes of a catalog in one of two processes."""
    from kedro.io import DataCatalog
    from kedro_datasets.json import JSONDataset

    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("WORLD_SIZE", "2")
    train = Node(lambda: [], None, "history", name="train_model")
    pipeline = Pipeline(Pipeline([train, *others]), namespace="2d.float")
    catalog = DataCatalog({"2d.float.history": JSONDataset(filepath="nowhere.json")})
    GroupHook().before_pipeline_run(pipeline=pipeline, catalog=catalog)
    return type(catalog["2d.float.history"]).__name__


def test_first_process_of_a_group_alone_stores_what_it_trained(monkeypatch):
    assert training_of_two(0, monkeypatch) == "JSONDataset"
    assert training_of_two(1, monkeypatch) == "MemoryDataset"


@pytest.mark.parametrize("rank", [0, 1])
def test_processes_of_a_group_share_nothing_but_training(monkeypatch, rank):
    other = Node(len, "history", "count", name="evaluate")
    with pytest.raises(ValueError, match=r"run 2d\.float\.evaluate; run the other"):
        training_of_two(rank, monkeypatch, other)
