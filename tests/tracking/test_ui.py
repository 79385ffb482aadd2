"""What `make ui` shows in a browser: both trainings, and their curves together."""

import json
import shutil
from urllib.parse import quote

import pytest

from tests.apps.chromium import visit
from tests.tracking.sessions import below, pipeline_of, run
from tests.tracking.test_server import Server, free_port

# a server without accounts is asked who is there
NO_USERS = "404"

pytestmark = pytest.mark.slow  # the server imports mlflow anew


@pytest.fixture
def pages(client, tmp_path):
    """``make ui`` on the test's database; make believes that all is installed."""
    import sys
    from pathlib import Path

    port = free_port()
    command = [
        *(shutil.which("make"), "ui", "--old-file=.venv/installed"),
        *(f"BIN={Path(sys.executable).parent}", f"UI_PORT={port}"),
    ]
    database = {"IGLLM_MLFLOW_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    with Server(command, port, tmp_path, database) as started:
        yield started


def page_of(pages, name, **query):
    """Address of a page of MLflow's; values are JSON."""
    asked = "&".join(f"{k}={quote(json.dumps(v))}" for k, v in query.items())
    return f"{pages.uri}/#/{name}?{asked}"


def test_both_encodings_are_found_and_compared(client, pages):
    parent = run(pipeline_of(lambda history: {"val_ID": {"mse": history[-1]["loss"]}}))
    runs = [child.info for child in below(client, parent).values()]
    place, ids = runs[0].experiment_id, [info.run_id for info in runs]

    with visit(f"{pages.uri}/#/experiments/{place}/runs") as seen:
        for name in ("2d.char", "2d.float"):
            seen.page.get_by_role("link", name=name).first.wait_for(timeout=60_000)
        assert seen.page.get_by_text("test-2d").count()

    both = page_of(pages, "compare-runs", runs=ids, experiments=[place])
    with visit(both) as seen:
        for text in ("2d.char", "2d.float", "val_ID/mse", "encoding"):
            seen.page.get_by_text(text, exact=True).first.wait_for(timeout=60_000)

    curves = page_of(pages, "metric", runs=ids, experiments=[place], metric="loss")
    with visit(curves + f"&plot_metric_keys={quote(json.dumps(['loss']))}") as seen:
        seen.page.locator(".js-line").nth(1).wait_for(state="attached", timeout=60_000)
        assert seen.page.locator(".js-line").count() == 2
        assert seen.hosts == {pages.uri.removeprefix("http://")}
        assert [error for error in seen.errors if NO_USERS not in error] == []
