"""Model packages for tests: random weights, whose programs the grammar holds."""

from igllm_pipelines.infer.package import load_package, save_package
from tests.infer.test_predict import CONFIG, setting

SCENES = {"2d": {"width_px": 56}, "clevr": {"width_px": 32, "height_px": 32}}


def package_contents(domain, **model):
    """The arguments of `save_package` for a random model."""
    module, tokenizer, syntax = setting(domain, **model)
    return {
        "model": module,
        "tokenizer": tokenizer,
        "domain": domain,
        "encoding": "char" if model.get("text") else "float",
        "syntax": syntax,
        "inference": CONFIG,
        "scenes": SCENES.get(domain, {}),
    }


def random_package(folder, domain, **model):
    """A package of a random model that is written to `folder`, and read again."""
    save_package(folder, **package_contents(domain, **model))
    return load_package(folder)
