"""A training as shapes and numbers: what it trains, on how much; see `train.cost`."""

from dataclasses import dataclass, field
from typing import NamedTuple

from igllm_pipelines.model.config import ModelConfig, TowerConfig
from igllm_pipelines.train.config import TrainingConfig
from igllm_pipelines.train.shapes import LanguageShape, TowerShape


class Part(NamedTuple):
    """A part of a model: its parameters, and whether training moves them."""

    name: str
    parameters: int
    trained: bool


@dataclass(frozen=True)
class Lengths:
    """Tokens of a sequence beside the image's.

    Attributes:
        prompt: before and after the image, up to the answer.
        answer: mean of the training programs; the loss is on these.
        longest: longest answer seen.
        exact: counted by the tokenizer, not estimated from the text.
    """

    prompt: int
    answer: float
    longest: int
    exact: bool


@dataclass(frozen=True)
class TrainingPlan:
    """One training, as shapes and numbers.

    Attributes:
        tower, language: shapes.
        tower_config, model, training: as in the parameters.
        lengths: of its texts.
        gpus: that train together.
        features_cached: the tower's features come from the disk.
    """

    tower: TowerShape
    language: LanguageShape
    tower_config: TowerConfig
    model: ModelConfig
    training: TrainingConfig
    lengths: Lengths
    gpus: int = 1
    features_cached: bool = False
    parts: tuple[Part, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", _parts(self))

    @property
    def tokens(self) -> float:
        """Tokens of a mean sequence, those of the image included."""
        return self.lengths.prompt + self.tower.num_tokens + self.lengths.answer

    @property
    def trained(self) -> int:
        """Parameters that training moves."""
        return sum(part.parameters for part in self.parts if part.trained)

    @property
    def frozen(self) -> int:
        """Parameters that stay."""
        return sum(part.parameters for part in self.parts if not part.trained)

    @property
    def samples(self) -> int:
        """Images that go through the model, repeated ones counted again."""
        return self.training.steps * self.training.batch_size

    @property
    def micro_batch(self) -> float:
        """Images that a GPU holds at once."""
        pieces = self.gpus * self.training.gradient_accumulation
        return self.training.batch_size / pieces


def _parts(plan: TrainingPlan) -> tuple[Part, ...]:
    tower, model = plan.tower, plan.model
    trainable = 0 if plan.tower_config.frozen else tower.trainable
    full = model.lora_r == 0
    lora = plan.language.lora_parameters(model.lora_r, model.lora_targets)
    projector = projector_parameters(model, tower.width, plan.language.hidden_dim)
    parts = [
        Part("tower", trainable, True),
        Part("tower", tower.parameters - trainable, False),
        Part("language model", plan.language.parameters, full),
        Part("LoRA", lora, True),
        Part("projector", projector, True),
        Part("numeric head", head_parameters(model, plan.language.hidden_dim), True),
        Part("row of [NUM]", _row_parameters(plan), True),
    ]
    return tuple(part for part in parts if part.parameters)


def projector_parameters(model: ModelConfig, width: int, hidden_dim: int) -> int:
    """Of the projector: matrices with biases, and its norm."""
    count = width * hidden_dim + hidden_dim
    if model.projector == "mlp2x_gelu":
        count += hidden_dim * hidden_dim + hidden_dim
    return count + 2 * hidden_dim * model.projector_norm


def head_parameters(model: ModelConfig, hidden_dim: int) -> int:
    """Of the numeric head, and of value feedback."""
    if model.numeric_head == "none":
        return 0
    # 17 features of a value through a layer of 128
    feedback = (18 * 128 + 129 * hidden_dim) * model.value_feedback
    if model.numeric_head == "linear":
        return hidden_dim + 1 + feedback
    outputs = 1 if model.numeric_head == "tanh_mlp_gelu" else 3
    outputs *= model.mixture_components if model.numeric_head == "mixture" else 1
    return (hidden_dim + 1) * (hidden_dim + outputs) + feedback


def _row_parameters(plan: TrainingPlan) -> int:
    """Of an added ``[NUM]`` under LoRA: its rows of the two vocabulary matrices."""
    model, language = plan.model, plan.language
    if model.pretrained is None or model.num_token != "added" or not model.lora_r:
        return 0
    return language.hidden_dim * (1 if language.tied else 2)
