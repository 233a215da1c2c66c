# An image with lanser-bench and its executors for clusters, at the pinned versions.
#   docker build -t lanser .
#   docker run --rm -v "$PWD:/work" lanser run quickstart
# The default torch of Linux runs on CPUs and CUDA GPUs (add `--gpus all`).
FROM python:3.12-slim-bookworm
ARG TORCH_SPEC=torch==2.13.0
WORKDIR /opt/lanser-bench
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY lanser_bench lanser_bench
COPY plugins plugins
COPY taxonomies taxonomies
# hadolint ignore=DL3013  # pins.txt has the versions
RUN grep -v '^torch==' constraints.txt > pins.txt \
    && pip install --no-cache-dir "${TORCH_SPEC}" \
    && pip install --no-cache-dir --constraint pins.txt '.[all,ray,slurm]'
WORKDIR /work
ENTRYPOINT ["lanser-bench"]
CMD ["--help"]
