# A GPU machine from nothing, step by step: the same commands set up one without Docker.
# It was written on a machine without Docker and has not been built: what its commands
# of pip do is measured in docs/install.md, the rest is from the manuals.
#
#   docker build -t igllm .
#   mkdir -p data
#   docker run --rm --gpus all --ipc=host -v "$PWD/data:/home/igllm/project/data" \
#       igllm kedro run --pipelines=clevr
#   docker run --rm -v "$PWD:/mnt" igllm igllm reconstruct /mnt/photos \
#       --model /mnt/model --out /mnt/scenes
#
# The host needs NVIDIA's driver and its container toolkit, and nothing else of CUDA:
# torch brings its own CUDA 13 libraries. A driver of the 580 series or later speaks it.

# From this image come what finds the GPUs and the tools to look at them. `devel` in
# place of `runtime` adds nvcc; only DeepSpeed's own compiled kernels would need it, and
# nothing in conf/ asks for them.
ARG CUDA=13.0.1-runtime-ubuntu22.04
FROM nvidia/cuda:${CUDA}

# What is built here is small; what pip keeps for the next time would be gigabytes.
ENV DEBIAN_FRONTEND=noninteractive \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1

# Blender's module has wheels for Python 3.11 alone. Ubuntu 22.04 brings 3.10, and of
# 3.11 a release candidate; the finished one comes from deadsnakes.
RUN apt-get update \
    && apt-get install -y --no-install-recommends software-properties-common \
    && add-apt-repository -y ppa:deadsnakes/ppa \
    && apt-get install -y --no-install-recommends python3.11 python3.11-venv \
    && rm -rf /var/lib/apt/lists/*

# X11 and OpenGL: Blender's module links against them, though it opens no window (`APT`
# in the Makefile). gcc is for torch.compile and git for the revision in the reports.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libgl1 libsm6 libxext6 libxfixes3 libxi6 libxkbcommon0 libxrender1 \
        gcc git libc6-dev python3.11-dev \
    && rm -rf /var/lib/apt/lists/*

# Not root: what a mistake can write is this user's home and what is mounted. The number
# is that of the first user on most machines, so that mounted files belong to them.
RUN useradd --create-home --uid 1000 igllm \
    && install -d -o igllm -g igllm /home/igllm/project
USER igllm
WORKDIR /home/igllm/project

RUN python3.11 -m venv /home/igllm/venv \
    && /home/igllm/venv/bin/pip install --upgrade pip
ENV PATH=/home/igllm/venv/bin:$PATH

# First what the package needs, 7 GB, from the package without its code: this layer is
# built again when pyproject.toml changes, and not with each line of code.
COPY --chown=igllm pyproject.toml README.md LICENSE ./
RUN mkdir -p src/igllm_pipelines \
    && echo '__version__ = "0"' > src/igllm_pipelines/__init__.py \
    && pip install ".[render]" \
    && pip uninstall --yes igllm-pipelines

# Then the project. Editable, as `make install` does: `kedro run` reads conf/ here.
COPY --chown=igllm src src
COPY --chown=igllm conf conf
COPY --chown=igllm mlruns/.gitkeep mlruns/.gitkeep
RUN pip install --no-deps --editable .

# Blender starts, or the build stops here.
RUN python -c "import bpy; print(bpy.app.version_string)"

# Servers listen inside the container only, until told otherwise: igllm demo --host
# 0.0.0.0 with `docker run -p 127.0.0.1:7860:7860`.
CMD ["igllm", "--help"]
