"""The pipelines by name: ``<domain>``, ``<domain>.data``, ``<domain>.char`` ...

Written by hand and not found by folder: the names are built from domain and encoding,
and a node belongs to a namespace of the same name.
"""

from kedro.pipeline import Pipeline

from igllm_pipelines.domains import DOMAINS, ENCODINGS
from igllm_pipelines.pipelines import (
    baselines,
    evaluation,
    inference,
    rendering,
    reporting,
    study,
    tokenization,
    training,
    validation,
)

DEFAULT = ("2d", "clevr")
# domains that NS-VQA's scene parser is the baseline of
NSVQA = ("clevr",)
# studies by domain: each has parameters of its name
STUDIES = {
    "2d": ("ablation", "efficiency"),
    "clevr": ("ablation",),
    "so3": ("rotation",),
}
_OF_DOMAIN = (
    *("scenes", "rendering", "tower", "warm_up", "model", "training"),
    *("ablation", "efficiency", "rotation", "nsvqa"),
)
_SHARED = (
    *("seed", "ray", "features", "inference", "reporting"),
    *("encodings", "variants"),
)


def _parameters(domain: str) -> dict[str, str]:
    """Parameters that every piece finds under its own short name."""
    own = {f"params:{name}": f"params:{name}.{domain}" for name in _OF_DOMAIN}
    shared = {f"params:{name}": f"params:{name}" for name in _SHARED}
    return {**own, **shared, "params:domain": f"params:domains.{domain}"}


def _piece(
    piece: Pipeline,
    namespace: str,
    inputs: dict[str, str],
    encoding: str | None = None,
    outputs: dict[str, str] | None = None,
) -> Pipeline:
    domain = namespace.partition(".")[0]
    parameters = _parameters(domain)
    if encoding:
        parameters["params:encoding"] = f"params:encodings.{encoding}"
    free = piece.inputs()
    return Pipeline(
        piece,
        namespace=namespace,
        tags=namespace.split("."),
        inputs={name: full for name, full in inputs.items() if name in free},
        outputs=outputs,
        parameters={name: full for name, full in parameters.items() if name in free},
    )


def data_pipeline(domain: str) -> Pipeline:
    """Render, validate, make the tokenizer, the tower and its features."""
    piece = (
        rendering.create_pipeline()
        + validation.create_pipeline()
        + tokenization.create_tokenizer_pipeline()
        + training.create_tower_pipeline()
    )
    return _piece(piece, domain, {})


def encoding_pipeline(domain: str, encoding: str) -> Pipeline:
    """Tokenize, train, infer and evaluate one encoding: one MLflow run."""
    piece = (
        tokenization.create_tokens_pipeline()
        + training.create_pipeline()
        + inference.create_pipeline()
        + evaluation.create_pipeline()
    )
    names = ("raw", "syntax", "tokenizer", "tower", "features")
    shared = {name: f"{domain}.{name}" for name in names}
    return _piece(piece, f"{domain}.{encoding}", shared, encoding)


def nsvqa_pipeline(domain: str) -> Pipeline:
    """Train, ask and evaluate the scene parser of NS-VQA: one MLflow run.

    It needs what ``<domain>.data`` makes, and writes programs as ``char`` does.
    """
    piece = baselines.create_nsvqa_pipeline() + evaluation.create_pipeline()
    shared = {name: f"{domain}.{name}" for name in ("raw", "syntax")}
    return _piece(piece, f"{domain}.nsvqa", shared, "char")


def report_pipeline(domain: str, *baselines: str) -> Pipeline:
    """Tables, figures, reconstructions and the HTML page of a domain.

    Args:
        domain: its name.
        baselines: that stand beside char and float.
    """
    encodings = (*ENCODINGS, *baselines)
    of_encoding = {
        f"{name}_{encoding}": f"{domain}.{encoding}.{name}"
        for name in ("metrics", "intervals", "history", "predictions")
        for encoding in encodings
    }
    piece = evaluation.create_comparison_pipeline()
    piece += reporting.create_pipeline(encodings)
    return _piece(piece, domain, of_encoding)


def study_pipeline(domain: str, name: str) -> Pipeline:
    """Models trained alike from several seeds, and their errors as one table.

    It needs what ``<domain>.data`` makes.
    """
    outputs = ("runs", "files", "summary")
    return _piece(
        study.create_pipeline(name),
        domain,
        {},
        outputs={f"{name}_{output}": f"{domain}.{name}.{output}" for output in outputs},
    )


def register_pipelines() -> dict[str, Pipeline]:
    """Every pipeline by its name; ``kedro run`` alone runs `DEFAULT`."""
    pipelines: dict[str, Pipeline] = {}
    for domain in DOMAINS:
        parts = {
            "data": data_pipeline(domain),
            **{e: encoding_pipeline(domain, e) for e in ENCODINGS},
            "report": report_pipeline(domain),
        }
        pipelines |= {f"{domain}.{name}": part for name, part in parts.items()}
        pipelines[domain] = sum(parts.values(), Pipeline([]))
    for domain, names in STUDIES.items():
        pipelines |= {f"{domain}.{n}": study_pipeline(domain, n) for n in names}
    pipelines |= {f"{d}.nsvqa": nsvqa_pipeline(d) for d in NSVQA}
    pipelines |= {f"{d}.nsvqa_report": report_pipeline(d, "nsvqa") for d in NSVQA}
    pipelines["__default__"] = sum((pipelines[d] for d in DEFAULT), Pipeline([]))
    return pipelines
