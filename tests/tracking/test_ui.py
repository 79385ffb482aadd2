"""What `make ui` shows in a browser: both trainings, and their curves together."""

import json
import shutil
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.apps.chromium import visit
from tests.servers import Server, free_port
from tests.tracking.sessions import below, pipeline_of, run

ROOT = Path(__file__).resolve().parents[2]
# a server without accounts is asked who is there
NO_USERS = "404"
PATIENCE_MS = 120_000

pytestmark = pytest.mark.slow  # the server imports mlflow anew


@pytest.fixture
def pages(client, tmp_path):
    """``make ui`` on the test's database; make believes that all is installed."""
    port = free_port()
    command = [
        *(shutil.which("make"), "ui", "--old-file=.venv/installed"),
        *(f"BIN={Path(sys.executable).parent}", f"UI_PORT={port}"),
    ]
    database = {"IGLLM_MLFLOW_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    with Server(command, port, tmp_path, cwd=ROOT, env=database) as started:
        yield started


def test_both_encodings_are_found_and_compared(client, pages):
    parent = run(pipeline_of(lambda history: {"val_ID": {"mse": history[-1]["loss"]}}))
    runs = [child.info for child in below(client, parent).values()]
    place, ids = runs[0].experiment_id, [info.run_id for info in runs]
    names = ("2d.char", "2d.float")
    chosen = f"runs={quote(json.dumps(ids))}&experiments={quote(json.dumps([place]))}"

    with visit("about:blank") as seen:
        seen.page.set_default_timeout(PATIENCE_MS)
        seen.page.goto(f"{pages.uri}/#/experiments/{place}/runs")
        for name in names:
            seen.page.get_by_role("link", name=name).first.wait_for()
        seen.page.get_by_text("test-2d").first.wait_for(state="attached")

        seen.page.goto(f"{pages.uri}/#/compare-runs?{chosen}")
        for text in (*names, "val_ID/mse", "encoding"):
            seen.page.get_by_text(text, exact=True).first.wait_for()

        seen.page.get_by_role("link", name="loss", exact=True).click()
        curves = seen.page.locator(".scatterlayer .js-line")
        curves.nth(1).wait_for(state="attached")
        for name in names:
            legend = seen.page.get_by_text(f"{name} (loss)")
            legend.first.wait_for(state="attached")
        colors = curves.evaluate_all("lines => lines.map(line => line.style.stroke)")
        assert len(set(colors)) >= 2
        assert seen.hosts == {pages.uri.removeprefix("http://")}
        assert [error for error in seen.errors if NO_USERS not in error] == []
