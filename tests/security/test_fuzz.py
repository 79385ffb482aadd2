"""Random and damaged programs, labels and tars; longer by ``tests.security.fuzz``."""

import pytest

from tests.security.fuzz import TARGETS, VARIANTS, try_cases


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_declared_errors(name):
    count = 40
    assert try_cases(TARGETS[name], count, number=2026) >= count * (1 + VARIANTS)


def test_a_broken_promise_is_found():
    def check(case):
        assert "1e999" not in case[1]

    target = TARGETS["programs"]._replace(check=check)
    with pytest.raises(AssertionError):
        try_cases(target, 200, number=0)
