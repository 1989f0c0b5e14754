# A facility's packages on top of it, just as plainly; with a compiler, since some packages come as source only.
ARG BASE
FROM ${BASE}
USER root
RUN apt-get update && apt-get install -y g++ python3-dev
COPY requirements.txt /tmp/requirements.txt
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.crt --mount=type=secret,id=pip,target=/run/secrets/pip.conf \
    if [ -s /run/secrets/ca.crt ]; then export PIP_CERT=/run/secrets/ca.crt; fi \
 && if [ -s /run/secrets/pip.conf ]; then export PIP_CONFIG_FILE=/run/secrets/pip.conf; fi \
 && /opt/venv/bin/pip install -r /tmp/requirements.txt
USER jovyan
