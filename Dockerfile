# The worker as a small image: a virtual environment copied onto a plain Python.
# Pin the base by digest for reproducible builds: --build-arg PYTHON_IMAGE=python:3.14-slim-trixie@sha256:…
ARG PYTHON_IMAGE=python:3.14-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# The result has no pip: the pip of this stage installs into it.
COPY locks/build.txt locks/runtime.txt locks/
RUN python -m venv /build \
    && /build/bin/pip install --quiet --require-hashes -r locks/build.txt \
    && python -m venv --without-pip /opt/email-worker \
    && /build/bin/pip --python /opt/email-worker/bin/python install --quiet --require-hashes -r locks/runtime.txt

COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY worker worker
COPY element-templates element-templates
COPY examples examples
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /dist . \
    && /build/bin/pip --python /opt/email-worker/bin/python install --quiet --no-deps /dist/*.whl


FROM ${PYTHON_IMAGE}
# Not needed: the installer of the base and its packages. The environment below contains all packages.
RUN rm -rf /usr/local/bin/pip* /usr/bin/pip* /usr/local/lib/python3*/*-packages/* /usr/lib/python3*/dist-packages/*
# tini is process 1 because Python as process 1 ignores signals until it has started.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/email-worker /opt/email-worker

# gRPC's log lines are not JSON; the worker logs the same about the gateway.
ENV PATH=/opt/email-worker/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    EMAIL_WORKER_LOG_FORMAT=json \
    GRPC_VERBOSITY=NONE

# A number, so that Kubernetes can verify that it is not root.
USER 10001:10001
EXPOSE 8089

# Not with urllib, which would use a proxy of the environment. Without health pages (port 0), it always passes.
HEALTHCHECK --interval=15s --timeout=5s --start-period=15s --retries=3 CMD ["python", "-c", "import http.client, os; host = os.environ.get('EMAIL_WORKER_HEALTH_HOST') or 'localhost'; port = int(os.environ.get('EMAIL_WORKER_HEALTH_PORT') or 8089); c = http.client.HTTPConnection(host, port, timeout=3); port and c.request('GET', '/health/live'); raise SystemExit(port and c.getresponse().status != 200)"]

# 143 means SIGTERM before Python has started: that counts as success too.
ENTRYPOINT ["tini", "-e", "143", "--", "email-worker"]
CMD ["run"]

# Last, so that a new revision changes no layer.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="camunda-email-worker" \
      org.opencontainers.image.description="A Camunda 8 job worker that sends and handles email over SMTP, POP3 and IMAP" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
