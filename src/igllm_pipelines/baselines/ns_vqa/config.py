"""How the scene parser is built and trained, as flat data."""

from dataclasses import dataclass

BACKBONES = ("resnet10", "resnet18", "resnet34", "resnet50")


@dataclass(frozen=True)
class NsvqaConfig:
    """The scene parser: Mask R-CNN, and the network that describes objects.

    Attributes:
        detector_backbone, describer_backbone: of `BACKBONES`; ``resnet10`` is ours, one
            block a stage. NS-VQA has ``resnet50`` and ``resnet34``.
        detector_weights, describer_weights: files with weights of the backbones as
            torchvision stores them, read without executing anything; None for random
            ones.
        detector_px: side to which the shorter side of a picture is scaled.
        detector_channels: of the feature pyramid and the mask head.
        describer_px: side of the segment and of the whole picture that it sees.
        detector_steps, describer_steps: optimizer steps.
        detector_batch, describer_batch: images a step; the describer sees all objects
            of an image.
        detector_lr, describer_lr: peak rates of AdamW; a cosine leads them to 2 %.
        warm_up_steps: of linear warm-up before the cosine, of either training.
        location_weight: of the squared error of x, y, z in metres beside the
            cross-entropies.
        min_score: a proposal counts from this score on.
        num_samples: only the first so many training images are used, None for all.
        num_threads: torch threads, 0 for one a core.
    """

    detector_backbone: str = "resnet50"
    describer_backbone: str = "resnet34"
    detector_weights: str | None = None
    describer_weights: str | None = None
    detector_px: int = 320
    detector_channels: int = 256
    describer_px: int = 224
    detector_steps: int = 30000
    describer_steps: int = 20000
    detector_batch: int = 8
    describer_batch: int = 8
    detector_lr: float = 1e-3
    describer_lr: float = 1e-3
    warm_up_steps: int = 100
    location_weight: float = 1.0
    min_score: float = 0.5
    num_samples: int | None = None
    num_threads: int = 0

    def __post_init__(self) -> None:
        for name in ("detector_backbone", "describer_backbone"):
            if getattr(self, name) not in BACKBONES:
                raise ValueError(
                    f"{name} must be of {BACKBONES}, not {getattr(self, name)!r}"
                )
        positive = (
            *("detector_px", "detector_channels", "describer_px", "detector_steps"),
            *("describer_steps", "detector_batch", "describer_batch"),
            *("detector_lr", "describer_lr"),
        )
        for name in positive:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")
        if not 0 <= self.min_score <= 1:
            raise ValueError("min_score must lie in [0, 1]")
        if self.num_samples is not None and self.num_samples < 1:
            raise ValueError("num_samples must be at least 1 or null")
