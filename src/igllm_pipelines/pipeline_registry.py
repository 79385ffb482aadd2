"""The pipelines by name: ``<domain>``, ``<domain>.data``, ``<domain>.char`` ...

Written by hand and not found by folder: the names are built from domain and encoding,
and a node belongs to a namespace of the same name.
"""

from kedro.pipeline import Pipeline

from igllm_pipelines.domains import DOMAINS, ENCODINGS
from igllm_pipelines.pipelines import (
    ablation,
    evaluation,
    inference,
    rendering,
    reporting,
    tokenization,
    training,
    validation,
)
from igllm_pipelines.scene.rotations import COMPONENTS

DEFAULT = ("2d", "clevr")
# what `so3.rotations` compares
ROTATIONS = tuple(f"float_{representation}" for representation in COMPONENTS)
# the domains whose model variants are compared
ABLATIONS = ("2d", "clevr")
_OF_DOMAIN = (
    *("scenes", "rendering", "tower", "warm_up", "model", "training"),
    "ablation",
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
        tags=[domain, *([encoding] if encoding else [])],
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


def report_pipeline(domain: str) -> Pipeline:
    """Tables, figures, reconstructions and the HTML page of a domain."""
    of_encoding = {
        f"{name}_{encoding}": f"{domain}.{encoding}.{name}"
        for name in ("metrics", "history", "predictions")
        for encoding in ENCODINGS
    }
    return _piece(reporting.create_pipeline(), domain, of_encoding)


def rotations_pipeline(domain: str) -> Pipeline:
    """Every representation of rotations trained alike, and their errors as a table."""
    compare = _piece(
        reporting.create_comparison_pipeline(ROTATIONS),
        domain,
        {f"metrics_{name}": f"{domain}.{name}.metrics" for name in ROTATIONS},
        outputs={"rotations_summary": f"{domain}.rotations.summary"},
    )
    return sum((encoding_pipeline(domain, name) for name in ROTATIONS), compare)


def ablation_pipeline(domain: str) -> Pipeline:
    """Variants of the model, trained from several seeds, and their errors as a table.

    It needs what ``<domain>.data`` makes.
    """
    outputs = ("runs", "summary")
    return _piece(
        ablation.create_pipeline(),
        domain,
        {},
        outputs={f"ablation_{name}": f"{domain}.ablation.{name}" for name in outputs},
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
    pipelines["so3.rotations"] = rotations_pipeline("so3")
    pipelines |= {f"{d}.ablation": ablation_pipeline(d) for d in ABLATIONS}
    pipelines["__default__"] = sum((pipelines[d] for d in DEFAULT), Pipeline([]))
    return pipelines
