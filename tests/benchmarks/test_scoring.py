import pytest

from metrics import loop_scores, our_scores, read, write_files


@pytest.mark.parametrize("rep", ["yaw", "6d"])
def test_the_loop_and_ours_say_the_same(tmp_path, rep):
    content = read(write_files(tmp_path, scenes=30, objects=4, seed=0, rep=rep))
    ours = our_scores(*content, rep)
    for name, value in loop_scores(*content, rep).items():
        assert ours[name] == (value if value is None else pytest.approx(value))
