# The watcher's production image: Python, the locked libraries, the package. No pip, no compiler, no sandbox, no tests.
#
#   docker build --tag dynamodb-watcher:0.1.0 .
#
# The tag below names one exact Python. A tag can be moved, a digest cannot: a release build pins the digest it tested,
#   docker build --build-arg PYTHON_IMAGE=docker.io/library/python:3.13.16-slim-bookworm@sha256:<digest> .
# with the digest printed by `docker buildx imagetools inspect docker.io/library/python:3.13.16-slim-bookworm`.
ARG PYTHON_IMAGE=docker.io/library/python:3.13.16-slim-bookworm

# Stage 1: a wheel of the package. The build backend comes from its own lock, so this stage needs no other tool.
FROM ${PYTHON_IMAGE} AS wheel
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements-build.lock ./
RUN python -m venv backend && backend/bin/pip install --require-hashes --only-binary :all: -r requirements-build.lock
COPY pyproject.toml README.md ./
COPY watcher ./watcher
RUN backend/bin/python -m hatchling build --target wheel

# Stage 2: the virtual environment of the final image, itself without pip. The libraries come before the package, so
# that a change of the sources leaves their layer in the cache.
FROM ${PYTHON_IMAGE} AS environment
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/watcher \
 && python -m pip --python /opt/watcher/bin/python install \
        --no-compile --require-hashes --only-binary :all: -r requirements.lock
COPY --from=wheel /build/dist/*.whl ./
# The root file system is read-only at run time, so the byte code is made here; unchecked, because nothing below
# /opt/watcher changes after this line and copying may alter the times that checked byte code is compared with.
RUN python -m pip --python /opt/watcher/bin/python install --no-compile --no-deps --no-index ./*.whl \
 && python -m pip --python /opt/watcher/bin/python check \
 && /opt/watcher/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/watcher/lib

# Stage 3: what runs.
FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dynamodb-watcher" \
      org.opencontainers.image.description="Watches Amazon DynamoDB tables, names the cause of throttling, adjusts provisioned capacity within bounds." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The base brings pip and the means to install it again; a running daemon needs neither.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip \
 && install -d -o 10001 -g 10001 -m 0750 /var/lib/watcher

COPY --from=environment /opt/watcher /opt/watcher

ENV PATH=/opt/watcher/bin:$PATH \
    HOME=/var/lib/watcher \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    WATCHER_SERVER__HOST=0.0.0.0 \
    WATCHER_STATE__PATH=/var/lib/watcher/watcher.db \
    WATCHER_LOGS__FORMAT=json

# A number, not a name: Kubernetes can then verify runAsNonRoot without reading the image's /etc/passwd.
USER 10001:10001
WORKDIR /var/lib/watcher
VOLUME /var/lib/watcher
EXPOSE 9464
STOPSIGNAL SIGTERM

# http.client rather than urllib.request, which would send a loopback request through HTTP_PROXY.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('WATCHER_SERVER__PORT', '9464')), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]

ENTRYPOINT ["watcher"]
CMD ["run", "--config", "/etc/watcher/config.toml"]
