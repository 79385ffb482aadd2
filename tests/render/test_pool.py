"""The pool: crashes, hangs, errors, replacement; with real Ray actors."""

import logging
import os
import threading
from dataclasses import replace

import pytest

from igllm_pipelines.render.pool import RenderError, RenderPool, Task
from tests.render.conftest import FAST
from tests.render.workers import Stillborn, Unruly

pytestmark = pytest.mark.usefixtures("ray_session")


def run(tasks, **config):
    with RenderPool(replace(FAST, **config), Unruly, ()) as pool:
        return {task.name: result for task, result in pool.map(tasks)}


def test_every_task_is_done_once_by_both_workers():
    results = run([Task(f"{i}", "work", (0.05,)) for i in range(40)])
    assert len(results) == 40
    assert len(set(results.values())) == 2


def test_workers_are_replaced_after_their_share():
    tasks = [Task(f"{i}", "pid", (i,)) for i in range(6)]
    results = run(tasks, workers=1, scenes_per_worker=2)
    pids = [results[f"{i}"] for i in range(6)]
    assert len(set(pids)) == 3
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


def test_killed_worker_is_replaced_and_only_its_scene_repeated(tmp_path, caplog):
    deadly = Task("scene 7", "die_first_times", (str(tmp_path), 2))
    others = [Task(f"{i}", "pid", (i,)) for i in range(10)]
    with caplog.at_level(logging.WARNING):
        results = run([deadly, *others])
    assert results["scene 7"] == 2
    assert len(results) == 11
    assert caplog.text.count("scene 7: its process died") == 2


def test_scene_that_kills_three_workers_is_named(tmp_path):
    deadly = Task("scene 7 of train", "die_first_times", (str(tmp_path), 99))
    with pytest.raises(RenderError, match=r"scene 7 of train: given up after 3"):
        run([deadly])
    assert (tmp_path / "calls").read_text() == "3"


def test_lost_machines_are_no_fault_of_a_scene(tmp_path):
    unlucky = Task("scene 7", "die_first_times", (str(tmp_path), 2), ["gone", "gone"])
    assert run([unlucky]) == {"scene 7": 2}
    assert len(unlucky.crashed_on) == 4


def test_hanging_worker_is_replaced(tmp_path):
    slow = Task("scene 3", "sleep_first_time", (str(tmp_path),))
    assert run([slow], scene_timeout_s=3.0) == {"scene 3": "awake"}


def test_error_of_a_task_comes_through_at_once():
    with pytest.raises(ValueError, match=r"^bad value 5\nin a .* worker, at scene 3$"):
        run([Task("scene 3", "fail", (5,))])


def test_actors_are_not_put_behind_other_processes_and_keep_few_heaps():
    results = run([Task("scene 1", "surroundings", ("MALLOC_ARENA_MAX",))])
    assert results == {"scene 1": (os.nice(0), "2")}


def test_nothing_to_do():
    assert run([]) == {}


def test_tasks_are_taken_as_actors_become_free():
    taken = []

    def tasks():
        for index in range(50):
            taken.append(index)
            yield Task(f"{index}", "pid", (index,))

    with RenderPool(FAST, Unruly, ()) as pool:
        done = 0
        for _ in pool.map(tasks()):
            done += 1
            assert len(taken) - done <= 5  # two at work, two ahead, one in hand
    assert done == 50


def test_worker_that_cannot_start_ends_the_run():
    pool = RenderPool(FAST, Stillborn, ())
    with pool, pytest.raises(RenderError, match=r"no render worker starts: .*no room"):
        list(pool.map([Task("scene 1", "pid", (1,))]))


def test_actor_without_a_free_cpu_is_waited_for_and_is_not_late():
    task, results = Task("scene 1", "pid", (1,)), []
    patient = RenderPool(replace(FAST, scene_timeout_s=1.0), Unruly, ())

    def wait():
        with patient:
            results.extend(patient.map([task]))

    with RenderPool(FAST, Unruly, ()) as first:
        assert len(list(first.map(Task(f"{i}", "work", (0.5,)) for i in range(4)))) == 4
        thread = threading.Thread(target=wait)  # both CPUs are taken
        thread.start()
        thread.join(timeout=2.5)
        assert thread.is_alive()
        assert results == []
    thread.join(timeout=60)
    assert len(results) == 1
    assert task.crashed_on == []
