"""Shape checks for the modules that annotate tensors, and shared scenes."""

from igllm_pipelines.quiet import be_quiet

be_quiet()

from hypothesis import settings  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

# how long an example takes says more about the machine than about the code
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
install_import_hook("igllm_pipelines.model", "beartype.beartype")
