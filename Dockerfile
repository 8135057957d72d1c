# One image for every deployable; compose.yaml says which of them a container is.

FROM python:3.13-slim AS packages
WORKDIR /source
COPY requirements/tools.txt requirements/production.txt requirements/
RUN pip install --no-cache-dir --require-hashes --requirement requirements/tools.txt \
    && python -m venv /opt/shelfwise \
    && uv pip install --no-cache --python /opt/shelfwise/bin/python --require-hashes --requirement requirements/production.txt
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY operations operations
COPY projections projections
COPY read_side read_side
COPY shared_kernel shared_kernel
COPY write_side write_side
# The build tools are locked too: nothing is fetched here.
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && uv pip install --no-cache --no-deps --python /opt/shelfwise/bin/python /wheels/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin shelfwise \
    # A new volume takes over whose folder it is mounted on.
    && install --directory --owner 10001 --group 10001 --mode 0700 /srv/archive /srv/sandbox
COPY --from=packages /opt/shelfwise /opt/shelfwise
ENV PATH=/opt/shelfwise/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /
USER 10001:10001
CMD ["shelfwise", "--help"]
