"""Shape checks for the modules that annotate tensors, and shared scenes."""

from igllm_pipelines.quiet import be_quiet

be_quiet()

from jaxtyping import install_import_hook  # noqa: E402

install_import_hook("igllm_pipelines.model", "beartype.beartype")
