"""How models and towers are trained, as flat data; importing it costs nothing."""

from dataclasses import dataclass

from igllm_pipelines.model.config import require

PRECISIONS = ("float32", "bf16")


@dataclass(frozen=True)
class TrainingConfig:
    """Training of a model.

    Attributes:
        steps: optimizer steps.
        batch_size: images a step, of all workers and accumulated batches together.
        num_samples: only the first so many training images are used, None for all.
        learning_rate, projector_lr, head_lr, tower_lr: peak rates of the language
            model, the projector, the numeric head and the tower.
        min_lr_ratio: the cosine ends at this fraction of the peak.
        warm_up_steps: steps of linear warm-up before the cosine.
        weight_decay: of AdamW, on matrices only.
        beta2: second momentum of AdamW; the first is 0.9.
        max_grad_norm: gradients are clipped to this norm, 0 for no clipping.
        shuffle_attributes, draw_synonyms: augmentation of the programs.
        group_by_length: programs of like length share a batch, so that less of it is
            padding; which batch comes when stays random.
        compile: the blocks of the model go through ``torch.compile`` in training.
        log_every, validate_every, save_every: in steps; 0 for never.
        validation_samples: images of each held-out split for the error curve.
        num_threads: torch threads, 0 for one a core.
        num_workers: processes that load batches, 0 for none.
        workers: processes that train together, through Ray Train; 1 for this one.
        deepspeed: None, or the name of a configuration in ``train/deepspeed``
            (``zero2``), or the path of a DeepSpeed JSON file.
        precision: ``float32``, or ``bf16`` for mixed precision.
        gradient_accumulation: a worker's part of the batch goes through the model in
            so many pieces.
        gradient_checkpointing: activations of the language model are computed again
            in the backward pass instead of kept.
    """

    steps: int = 1600
    batch_size: int = 64
    num_samples: int | None = None
    learning_rate: float = 2e-3
    projector_lr: float = 2e-3
    head_lr: float = 2e-3
    tower_lr: float = 2e-3
    min_lr_ratio: float = 0.02
    warm_up_steps: int = 100
    weight_decay: float = 0.01
    beta2: float = 0.98
    max_grad_norm: float = 1.0
    shuffle_attributes: bool = True
    draw_synonyms: bool = True
    group_by_length: bool = False
    compile: bool = False
    log_every: int = 20
    validate_every: int = 100
    save_every: int = 200
    validation_samples: int = 100
    num_threads: int = 0
    num_workers: int = 0
    workers: int = 1
    deepspeed: str | None = None
    precision: str = "float32"
    gradient_accumulation: int = 1
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        positive = "steps", "batch_size", "log_every", "workers"
        for name in (*positive, "gradient_accumulation"):
            require(getattr(self, name) > 0, f"{name} must be positive")
        counts = "validate_every", "save_every", "validation_samples", "num_threads"
        for name in (*counts, "num_workers", "weight_decay", "max_grad_norm"):
            require(getattr(self, name) >= 0, f"{name} must not be negative")
        for name in ("learning_rate", "projector_lr", "head_lr", "tower_lr"):
            require(getattr(self, name) > 0, f"{name} must be positive")
        require(
            self.num_samples is None or self.num_samples > 0,
            "num_samples must be positive or null",
        )
        require(
            0 <= self.warm_up_steps < self.steps,
            f"warm_up_steps {self.warm_up_steps} must be less than steps {self.steps}",
        )
        require(
            self.save_every % self.log_every == 0,
            f"save_every {self.save_every} must be a multiple of log_every "
            f"{self.log_every}, or a resumed run would log other means",
        )
        require(0 <= self.min_lr_ratio <= 1, "min_lr_ratio must lie in [0, 1]")
        require(0 < self.beta2 < 1, "beta2 must lie in (0, 1)")
        require(
            self.precision in PRECISIONS, f"precision {self.precision!r}: {PRECISIONS}"
        )
        pieces = self.workers * self.gradient_accumulation
        require(
            self.batch_size % pieces == 0,
            f"batch_size {self.batch_size} counts the images of all workers; it must "
            f"be a multiple of workers x gradient_accumulation = {pieces}",
        )


@dataclass(frozen=True)
class WarmUpConfig:
    """Warm-up of a tower from scratch on dense labels.

    Attributes:
        steps: optimizer steps; 0 for no warm-up.
        batch_size: images a step.
        learning_rate: peak rate of AdamW; a cosine leads it to 2 % of it.
        weight_decay: of AdamW.
        warm_up_steps: steps of linear warm-up before the cosine.
        mirror: half of the images are mirrored, and their labels with them; not where
            rotations are learned.
        location_weight, rotation_weight: weights of the squared errors of x, y, z and
            of the 6d rotation beside the cross-entropies.
        num_threads: torch threads, 0 for one a core.
    """

    steps: int = 900
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warm_up_steps: int = 50
    mirror: bool = True
    location_weight: float = 1.0
    rotation_weight: float = 1.0
    num_threads: int = 0

    def __post_init__(self) -> None:
        for name in ("batch_size", "learning_rate"):
            require(getattr(self, name) > 0, f"{name} must be positive")
        require(self.steps >= 0, "steps must not be negative")
        require(
            0 <= self.warm_up_steps < self.steps or self.steps == 0,
            f"warm_up_steps {self.warm_up_steps} must be less than steps {self.steps}",
        )


@dataclass(frozen=True)
class FeatureConfig:
    """The cache of a frozen tower's features.

    Attributes:
        budget_gb: the features of a domain are kept on disk, in half precision, if
            they take at most so many 10^9 bytes; 0 for no cache. Without a cache the
            tower runs in every batch.
        num_threads: torch threads that make them, 0 for one a core.
    """

    budget_gb: float = 10.0
    num_threads: int = 0

    def __post_init__(self) -> None:
        require(self.budget_gb >= 0, "budget_gb must not be negative")
        require(self.num_threads >= 0, "num_threads must not be negative")
