# The project with Jupyter Lab and TensorBoard, started by setup/start.sh, and the server. With Compose:
#     docker compose up
# or without it (the log shows Jupyter's address with its token):
#     docker build -t rootstock . && docker run --rm -p 127.0.0.1:8888:8888 -p 127.0.0.1:6006:6006 rootstock
#     docker run --rm -p 127.0.0.1:8501:8501 rootstock python -m src.inference.serve --host 0.0.0.0
FROM python:3.12-slim

# A fixed user id, so that files in volumes keep their owner after a rebuild. On most Linux machines 1000 is
# also the first user.
RUN useradd --uid 1000 --create-home rootstock
WORKDIR /app
# The shell of Jupyter's terminals.
ENV SHELL=/bin/bash
# Listen on all interfaces of the container; `docker run -p` decides who can reach them.
ENV ADDRESS=0.0.0.0

# Packages first, from the files that list them: a change in the code does not install them again. The
# project is installed in place (-e), so that every folder imports /app/src. pyproject.toml needs a README;
# an empty one will do.
COPY pyproject.toml ./
COPY setup/constraints.txt setup/
COPY src/__init__.py src/
RUN touch README.md && pip install --no-cache-dir -c setup/constraints.txt -e '.[lite,notebook,serve,tensorboard]'

COPY frozen/pocket/ frozen/pocket/
COPY frozen/pocket_dogs.pb frozen/pocket_dogs.tflite frozen/
COPY setup/ setup/
COPY src/ src/
COPY --chown=rootstock:rootstock notebooks/ notebooks/

# The folders that commands write to. New volumes take over their owner.
RUN mkdir -p data checkpoints summary metrics frozen/inception frozen/saved_models \
    && chown rootstock:rootstock data checkpoints summary metrics frozen frozen/inception frozen/saved_models
USER rootstock

EXPOSE 8888 6006 8501

# /api needs no token. The empty ProxyHandler keeps a proxy from the environment out of the way.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-c", \
    "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + os.environ.get('NOTEBOOK_PORT', '8888') + '/api', timeout=5)"]

CMD ["sh", "setup/start.sh"]
