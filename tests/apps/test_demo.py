"""The demo as its users have it: a process of its own, and a browser."""

import io
import json
import os
import re
import socketserver
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.apps.chromium import visit
from tests.apps.packages import random_package

# a minute: Ray, Blender and a browser start, and the page is only tested with them
pytestmark = [pytest.mark.blender, pytest.mark.slow]
PATIENCE_MS = 180_000  # Blender starts with the first image
UPLOAD = "#upload input[type=file]"
FILES = {"program.txt", "scene.json", "scene.py", "scene.blend", "scene.glb"}
FILES |= {"render.png"}
# Ray does so at each start, telemetry or not; no question leaves the machine's host
RAY_ASKS_ITS_CLOUD = (
    b"GET http://169.254.169.254/",
    b"GET http://metadata.google.internal/",
)


class Proxy(NamedTuple):
    url: str
    calls: list[bytes]


class Demo(NamedTuple):
    url: str
    process: subprocess.Popen[str]


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """A folder with two images, one of them of a format that no browser shows."""
    folder = tmp_path_factory.mktemp("examples")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "noise.png")
    Image.fromarray(pixels).save(folder / "noise.tiff")
    return folder


@pytest.fixture(scope="module")
def proxy():
    """Stands where the way out would be, and counts who wants to go."""
    calls: list[bytes] = []

    class Refuse(socketserver.BaseRequestHandler):
        def handle(self):
            calls.append(self.request.recv(200))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Proxy(f"http://127.0.0.1:{server.server_address[1]}", calls)
        server.shutdown()


@pytest.fixture(scope="module")
def demo(tmp_path_factory, examples, proxy):
    """The page's address and the process that serves it."""
    folder = tmp_path_factory.mktemp("demo")
    package = random_package(folder / "package", "clevr")
    scratch = folder / "scratch"
    scratch.mkdir()
    way_out = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), proxy.url)
    command = "from igllm_pipelines.apps.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", command, "demo", "--model", str(package.folder)]
        + ["--examples", str(examples)],
        env={
            **os.environ,
            **way_out,
            "no_proxy": "127.0.0.1,localhost",
            "TMPDIR": str(scratch),
            "RAY_TMPDIR": tempfile.gettempdir(),  # its sockets want a short path
            "GRADIO_SHARE": "True",  # left over in a shell: the demo knows better
            "GRADIO_ANALYTICS_ENABLED": "True",
        },
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            line = process.stdout.readline()
            assert (found := re.match(r"(http://127\.0\.0\.1:\d+/)", line)), line
            yield Demo(found[1], process)
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert not [*scratch.glob("igllm_demo_*")]  # users' images do not stay


def reconstruct(page, image):
    """What a user does; returns when the program and the picture are there."""
    page.set_input_files(UPLOAD, image)
    page.wait_for_selector("#input img")
    page.click("#start")
    page.wait_for_selector("#rendered img", timeout=PATIENCE_MS)


def shows_colors(element, least=20):
    """Waits until an element has so many colors that are not gray."""
    element.scroll_into_view_if_needed()
    for _ in range(60):
        element.page.wait_for_timeout(500)
        picture = Image.open(io.BytesIO(element.screenshot())).convert("RGB")
        pixels = np.asarray(picture).astype(int)
        vivid = pixels[np.ptp(pixels, axis=-1) > 40]
        if len(np.unique(vivid, axis=0)) >= least:
            return True
    return False


def test_upload_gives_program_picture_scene_and_files(demo, examples, tmp_path):
    with visit(demo.url) as seen:
        page = seen.page
        reconstruct(page, examples / "noise.png")
        program = page.inner_text("#program .cm-content")
        assert shows_colors(page.locator("#scene canvas"))
        width = "document.querySelector('#rendered img').naturalWidth"
        assert page.evaluate(width) == 32
        with page.expect_download() as download:
            page.click("#zip")
        download.value.save_as(tmp_path / "all.zip")
        listed = page.locator("#files .filename").evaluate_all(
            "cells => cells.map(cell => cell.getAttribute('aria-label'))"
        )
    assert program.startswith("add(")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        content = {Path(name).name: archive.read(name) for name in archive.namelist()}
    assert {*content} == {*listed} == FILES
    assert content["program.txt"].decode().split() == program.split()
    assert len(json.loads(content["scene.json"])["objects"]) == program.count("add(")
    assert seen.errors == []
    assert seen.hosts == {urlsplit(demo.url).netloc}


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: path.write_bytes(b"no picture"), "it is no picture of PNG"),
        (lambda path: Image.new("1", (10_000, 10_000)).save(path), "make it smaller"),
    ],
    ids=["broken", "huge"],
)
def test_bad_file_is_explained_and_the_page_goes_on(
    demo, examples, tmp_path, write, says
):
    write(tmp_path / "<i>bad.png")
    with visit(demo.url) as seen:
        page = seen.page
        page.set_input_files(UPLOAD, tmp_path / "<i>bad.png")
        toast = page.wait_for_selector(".toast-body").inner_text()
        assert "bad.png: " in toast
        assert says in toast
        assert str(tmp_path) not in toast
        assert page.is_disabled("#start")
        page.wait_for_selector(UPLOAD, state="attached")
        page.set_input_files(UPLOAD, examples / "noise.tiff")
        page.wait_for_selector("#input img")
        assert page.is_enabled("#start")
    assert seen.errors == []


@pytest.mark.parametrize("width", [1280, 400])
def test_page_fits_the_screen_and_shows_examples(demo, width):
    with visit(demo.url, width=width) as seen:
        page = seen.page
        page.wait_for_function(
            "[...document.querySelectorAll('#examples img')]"
            ".filter(image => image.naturalWidth > 0).length == 2"
        )
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.click("#examples button >> nth=1")
        page.wait_for_selector("#input img")
        assert "noise.tiff" in page.inner_text("#input")
    assert seen.errors == []


def test_it_listens_on_this_machine_alone_and_calls_nobody(demo, proxy):
    port = urlsplit(demo.url).port
    sockets = psutil.Process(demo.process.pid).net_connections()
    listening = [s.laddr.ip for s in sockets if s.laddr and s.laddr.port == port]
    assert {*listening} == {"127.0.0.1"}
    others = [call for call in proxy.calls if not call.startswith(RAY_ASKS_ITS_CLOUD)]
    assert others == []
