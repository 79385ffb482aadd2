"""Model packages for tests: random weights, whose programs the grammar holds."""

from igllm_pipelines.infer.package import load_package, save_package
from tests.infer.test_predict import CONFIG, setting

SCENES = {"2d": {"width_px": 56}, "clevr": {"width_px": 32, "height_px": 32}}


def random_package(folder, domain, **model):
    """A package of a random model that is written to `folder`, and read again."""
    encoding = "char" if model.get("text") else "float"
    module, tokenizer, syntax = setting(domain, **model)
    save_package(
        folder,
        module,
        tokenizer,
        domain=domain,
        encoding=encoding,
        syntax=syntax,
        inference=CONFIG,
        scenes=SCENES[domain],
    )
    return load_package(folder)
