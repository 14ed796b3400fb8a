# The project with Jupyter Lab and TensorBoard, which setup/start.sh starts, and with the server. With Compose:
#     docker compose up
# or without (the log shows Jupyter's address with its token):
#     docker build -t rootstock . && docker run --rm -p 127.0.0.1:8888:8888 -p 127.0.0.1:6006:6006 rootstock
#     docker run --rm -p 127.0.0.1:8501:8501 rootstock python -m src.inference.serve --host 0.0.0.0
FROM python:3.12-slim

# A fixed number: what the container writes belongs to the same user after each build. 1000 is also
# the first user of most Linux machines.
RUN useradd --uid 1000 --create-home rootstock
WORKDIR /app
# What Jupyter's terminals start.
ENV SHELL=/bin/bash
# Listen to all that reaches the container: `docker run -p` says from where that may be.
ENV ADDRESS=0.0.0.0

# The packages first, and only what names them: a change of code or text does not install them again.
# Installed in place (-e), so that `src` is the one below in every folder; an empty README stands in
# for the one that pyproject.toml asks for.
COPY pyproject.toml ./
COPY setup/constraints.txt setup/
COPY src/__init__.py src/
RUN touch README.md && pip install --no-cache-dir -c setup/constraints.txt -e '.[notebook,serve,tensorboard]'

COPY frozen/pocket/ frozen/pocket/
COPY frozen/pocket_dogs.pb frozen/
COPY setup/ setup/
COPY src/ src/
COPY --chown=rootstock:rootstock notebooks/ notebooks/

# The folders that are written to. A new volume takes over their owner.
RUN mkdir -p data checkpoints summary metrics frozen/inception frozen/saved_models \
    && chown rootstock:rootstock data checkpoints summary metrics frozen frozen/inception frozen/saved_models
USER rootstock

EXPOSE 8888 6006 8501

# /api answers without a token. A proxy must not be asked for the container's own port.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-c", \
    "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + os.environ.get('NOTEBOOK_PORT', '8888') + '/api', timeout=5)"]

CMD ["sh", "setup/start.sh"]
