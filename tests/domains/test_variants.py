from dataclasses import dataclass

import pytest

from igllm_pipelines.domains import Encoding, parse_encoding
from igllm_pipelines.domains.variants import (
    base_of,
    encoding_name,
    overrides,
    seed_of,
    trained_as,
    with_variant,
)

VARIANTS = {
    "wide": {"model": {"heads": 8}, "inference": {"seed": 1}},
    "hot": {"inference": {"temperature": 1.0}},
    "odd": {"modell": {}},
}


@dataclass(frozen=True)
class Config:
    heads: int = 4

    def __post_init__(self):
        if self.heads < 0:
            raise ValueError("heads must be positive")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("char", Encoding("char")),
        ("float_6d", Encoding("float", "6d")),
        ("float_euler_int", Encoding("float", "euler_int")),
        ("float_euler_wide", Encoding("float", "euler", "wide")),
        ("char_number_token", Encoding("char", None, "number_token")),
        ("char_seed0", Encoding("char", None, None, 0)),
        ("float_aa_wide_2_seed12", Encoding("float", "aa", "wide_2", 12)),
    ],
)
def test_names_of_encodings(name, expected):
    assert parse_encoding(name) == expected
    assert encoding_name(expected) == name


@pytest.mark.parametrize("name", ["", "words", "float_", "float__wide", "char_Wide"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="unknown encoding"):
        parse_encoding(name)


def test_variant_changes_its_fields_alone():
    assert with_variant(Config(), VARIANTS, "float_wide", "model") == Config(8)
    assert with_variant(Config(), VARIANTS, "float_wide", "training") == Config()
    assert with_variant(Config(5), VARIANTS, "float_quat", "model") == Config(5)


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("float_narrow", r"no variant 'narrow' among params:variants \(hot, odd, wide"),
        ("float_odd", "unknown part 'modell'"),
    ],
)
def test_unknown_variants_and_parts_are_named(encoding, message):
    with pytest.raises(ValueError, match=message):
        overrides(VARIANTS, encoding, "model")


def test_unknown_and_unfit_fields_are_named():
    variants = {"a": {"model": {"width": 1}}, "b": {"model": {"heads": -1}}}
    with pytest.raises(ValueError, match="Config has no field 'width'; it has heads"):
        with_variant(Config(), variants, "char_a", "model")
    with pytest.raises(ValueError, match="heads must be positive"):
        with_variant(Config(), variants, "char_b", "model")


def test_seed_of_an_encoding():
    assert seed_of("float_wide_seed0", 7) == 0
    assert seed_of("float_wide", 7) == 7


def test_variants_of_decoding_share_a_training():
    assert trained_as(VARIANTS, "char_hot_seed3") == "char_seed3"
    assert trained_as(VARIANTS, "char_wide_seed3") == "char_wide_seed3"
    assert trained_as(VARIANTS, "char_seed3") == "char_seed3"
    assert base_of("float_quat_wide_seed3") == "float_quat"
