"""What a model is built from, as flat data; importing it costs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

TOWER_KINDS = ("open_clip", "conv")
PIXELS = ("white_to_zero", "centered", "clip")
FITS = ("exact", "square", "pad")
NUMERIC_HEADS = ("none", "linear", "tanh_mlp_gelu", "mixture")
NUMBER_LOSSES = ("mse", "huber")
NUM_TOKENS = ("existing", "added")
TEMPLATES = ("plain", "vicuna_v1", "chat")
QUANTIZATIONS = ("none", "4bit", "8bit")
DTYPES = ("float32", "bfloat16")
PROJECTORS = ("linear", "mlp2x_gelu")
ALL_LINEAR = "all-linear"


def require(condition: bool, message: str) -> None:
    """Raises ValueError with `message` unless `condition` holds."""
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class TowerConfig:
    """The image tower.

    Attributes:
        kind: ``open_clip``, a vision transformer; ``conv``, a small residual network
            that is warmed up on dense labels.
        image_px: side of the square input images, in pixels.
        fit: how images of another size become square: ``exact``, they are refused;
            ``pad``, the paper's, padded with CLIP's mean color, then resized;
            ``square``, the shorter side resized, the longer one cut at its middle.
        pixels: what becomes of a channel value v in [0, 1]: ``white_to_zero`` is
            6 (v - 1), so that a white background is zero; ``centered`` 4 (v - 0.5);
            ``clip`` CLIP's mean and standard deviation.
        frozen: the tower is not trained with the model, and its features are cached
            where they fit.
        patch_px, width, depth, heads, mlp_ratio: of the transformer.
        layer: which block's tokens are read, counted from the end: -1 the last, -2 the
            penultimate one as in the paper.
        final_norm: the transformer's final norm is applied to them; the paper reads
            them before it.
        pretrained: None, or ``MODEL/TAG`` (``ViT-L-14-336-quickgelu/openai``), a
            vision transformer and its weights as open_clip names them; TAG may be the
            path of a file, or ``random`` for the shape without its weights. Or
            ``hf-hub:OWNER/NAME``, an open_clip repository on the hub. `patch_px`,
            `width`, `depth`, `heads` and `mlp_ratio` mean nothing then.
        channels: of the convolutional network: the stem's, then one stage each, a
            multiple of 8; every one halves the map.
    """

    kind: str = "open_clip"
    image_px: int = 112
    fit: str = "exact"
    pixels: str = "white_to_zero"
    frozen: bool = False
    patch_px: int = 14
    width: int = 64
    depth: int = 2
    heads: int = 4
    mlp_ratio: float = 4.0
    layer: int = -1
    final_norm: bool = True
    pretrained: str | None = None
    channels: Sequence[int] = (24, 48, 96, 96)

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        require(self.kind in TOWER_KINDS, f"tower kind {self.kind!r}: {TOWER_KINDS}")
        require(self.pixels in PIXELS, f"pixels {self.pixels!r}: {PIXELS}")
        require(self.fit in FITS, f"fit {self.fit!r}: {FITS}")
        require(self.image_px > 0, "image_px must be positive")
        if self.kind == "conv":
            self._check_conv()
        elif self.pretrained is None:
            self._check_transformer()
        else:
            self._check_pretrained(self.pretrained)

    def _check_conv(self) -> None:
        require(self.pretrained is None, "a conv tower has no pretrained weights")
        require(len(self.channels) > 1, "channels needs a stem and a stage")
        require(
            all(c > 0 and c % 8 == 0 for c in self.channels[1:]),
            f"channels {self.channels}: those of a stage must be multiples of 8",
        )
        stride = 2 ** len(self.channels)
        require(
            self.image_px % stride == 0,
            f"image_px {self.image_px} must be a multiple of {stride}",
        )

    def _check_transformer(self) -> None:
        require(
            self.image_px % self.patch_px == 0,
            f"image_px {self.image_px} must be a multiple of patch_px {self.patch_px}",
        )
        require(self.width % self.heads == 0, "width must be a multiple of heads")
        require(
            -self.depth <= self.layer <= -1,
            f"layer {self.layer} must lie in [-{self.depth}, -1]",
        )

    def _check_pretrained(self, source: str) -> None:
        model, _, tag = source.partition("/")
        require(
            bool(model and tag),
            f"tower.pretrained {source!r} must be MODEL/TAG, as in "
            "ViT-L-14-336-quickgelu/openai, MODEL/FILE or hf-hub:OWNER/NAME",
        )
        require(self.layer <= -1, f"layer {self.layer} is counted from the end: -1, -2")


@dataclass(frozen=True)
class ModelConfig:
    """Projector, language model and numeric head.

    Attributes:
        pretrained: None, for a Llama from scratch, or a transformers folder or hub
            name of a causal language model; its tokenizer is used then.
        hidden_dim, layers, heads, mlp_dim: of the Llama that is built from scratch.
        init_std: standard deviation of its first weights.
        max_positions: its longest sequence, image tokens included.
        num_token: what ``[NUM]`` is to a pretrained tokenizer: ``existing``, a token
            that no program uses; ``added``, a new one whose embedding is trained.
        template: what is said around question and answer: ``plain``, nothing;
            ``vicuna_v1``, the paper's; ``chat``, the tokenizer's own chat template.
        quantization: of the pretrained weights: ``none``, ``4bit`` or ``8bit`` by
            bitsandbytes; needs LoRA.
        dtype: ``float32`` or ``bfloat16``, of the language model's weights where LoRA
            freezes them.
        lora_r: rank of LoRA, 0 to train all weights of the language model.
        lora_alpha: LoRA's output is scaled by ``lora_alpha / lora_r``.
        lora_dropout: probability in [0, 1) of zeroing an input of LoRA in training.
        lora_targets: ``all-linear``, every linear layer of the language model but its
            ``lm_head``; or the ends of module names.
        projector: ``linear``, or ``mlp2x_gelu`` = Linear, GELU, Linear.
        projector_weights: None, or LLaVA's ``mm_projector.bin`` to start from.
        projector_norm: a LayerNorm follows the linear projector.
        projector_positions: fixed 2D sin-cos positions are added to the projected
            tokens, for towers that have none of their own.
        vision_dropout: probability in [0, 1) with which a channel of an image token is
            zeroed in training.
        numeric_head: ``none``, ``linear``, ``tanh_mlp_gelu``, the paper's, or
            ``mixture``, Gaussians whose likelihood is the loss and which also say how
            unsure a number is. Where numbers are text there is none, whatever stands
            here.
        float_weight: weight of the numbers' loss beside the cross-entropy.
        number_loss: ``mse``, the paper's, or ``huber``; a mixture has its own.
        huber_delta: error from which ``huber`` grows linearly, in the numbers' units,
            or in standard deviations where they are normalised.
        normalise_numbers: the head learns numbers with mean 0 and standard deviation 1
            over the training programs.
        value_feedback: a number's value enters the embedding of its ``[NUM]``, so that
            later tokens know it.
        mixture_components: Gaussians of ``mixture``.
        number_token_weight: weight of the number-token loss, where numbers are text;
            0 for none.
    """

    pretrained: str | None = None
    hidden_dim: int = 64
    layers: int = 2
    heads: int = 4
    mlp_dim: int = 160
    init_std: float = 0.02
    max_positions: int = 1024
    num_token: str = "existing"
    template: str = "plain"
    quantization: str = "none"
    dtype: str = "float32"
    lora_r: int = 0
    lora_alpha: float = 16.0
    lora_dropout: float = 0.0
    lora_targets: str | Sequence[str] = ALL_LINEAR
    projector: str = "linear"
    projector_weights: str | None = None
    projector_norm: bool = False
    projector_positions: bool = False
    vision_dropout: float = 0.0
    numeric_head: str = "tanh_mlp_gelu"
    float_weight: float = 1.0
    number_loss: str = "mse"
    huber_delta: float = 0.1
    normalise_numbers: bool = False
    value_feedback: bool = False
    mixture_components: int = 5
    number_token_weight: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.lora_targets, str):
            object.__setattr__(self, "lora_targets", tuple(self.lora_targets))
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            require(value in known, f"{name} {value!r}: {known}")
        if self.pretrained is None:
            self._check_from_scratch()
        self._check_lora()
        self._check_numbers()
        require(0 <= self.vision_dropout < 1, "vision_dropout must lie in [0, 1)")

    def _check_from_scratch(self) -> None:
        for name in ("hidden_dim", "layers", "heads", "mlp_dim", "max_positions"):
            require(getattr(self, name) > 0, f"{name} must be positive")
        require(
            self.hidden_dim % (2 * self.heads) == 0,
            "hidden_dim / heads must be a whole, even number",
        )
        require(
            not self.projector_positions or self.hidden_dim % 4 == 0,
            "projector_positions needs a hidden_dim that is a multiple of 4",
        )
        require(self.init_std > 0, "init_std must be positive")
        for name in ("num_token", "template", "quantization"):
            require(
                getattr(self, name) == getattr(ModelConfig, name),
                f"{name} {getattr(self, name)!r} needs a pretrained language model",
            )

    def _check_numbers(self) -> None:
        for name in ("float_weight", "number_token_weight"):
            require(getattr(self, name) >= 0, f"{name} must not be negative")
        require(self.huber_delta > 0, "huber_delta must be positive")
        require(self.mixture_components > 0, "mixture_components must be positive")
        require(
            self.numeric_head != "mixture" or self.number_loss == "mse",
            "a mixture has its own loss: leave number_loss at mse",
        )

    def _check_lora(self) -> None:
        require(self.lora_r >= 0, "lora_r must not be negative")
        require(self.lora_alpha > 0, "lora_alpha must be positive")
        require(0 <= self.lora_dropout < 1, "lora_dropout must lie in [0, 1)")
        require(
            self.lora_targets == ALL_LINEAR or not isinstance(self.lora_targets, str),
            f"lora_targets {self.lora_targets!r}: {ALL_LINEAR}, or a list of names",
        )
        if not self.lora_r:
            for name in ("quantization", "dtype"):
                require(
                    getattr(self, name) == getattr(ModelConfig, name),
                    f"{name} {getattr(self, name)!r} needs LoRA (lora_r > 0): such "
                    "weights are not trained themselves",
                )


_CHOICES = {
    "num_token": NUM_TOKENS,
    "template": TEMPLATES,
    "quantization": QUANTIZATIONS,
    "dtype": DTYPES,
    "projector": PROJECTORS,
    "numeric_head": NUMERIC_HEADS,
    "number_loss": NUMBER_LOSSES,
}
