"""Addresses of clusters that are not there."""

import socket
from dataclasses import replace

import pytest

from igllm_pipelines.render.pool import RenderError, RenderPool
from tests.render.conftest import FAST
from tests.render.workers import Unruly


def test_address_where_nobody_listens_is_named_at_once(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # other tests share one
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, so that nobody takes it; not listening
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        pool = RenderPool(replace(FAST, ray_address=address), Unruly, ())
        with pytest.raises(RenderError, match=rf"{address}: no cluster.*null"):
            pool.__enter__()


def test_unknown_host_is_named(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    pool = RenderPool(replace(FAST, ray_address="nowhere.invalid:6379"), Unruly, ())
    with pytest.raises(RenderError, match=r"nowhere\.invalid:6379: no cluster"):
        pool.__enter__()
