#!/bin/sh
# Build the hub's images.
#
#   images/build.sh base [docker build options]   build images/base as panosc/base:2026.11; its HDF5 extension is built with
#                                                 what deploy/bootstrap.py installed
#   images/build.sh lock                          make images/base/requirements.lock anew from requirements.in
#
# On a machine behind a proxy with its own certificate authority, PIP_CERT or SSL_CERT_FILE names its bundle, and
# BUILD_PIP_CONF a pip.conf; both are build secrets, and nothing of them stays in an image.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
version=2026.11
debian=debian:trixie-slim

say() { printf '%s\n' "$*" >&2; }

# The client that can do BuildKit: with the buildx plugin, or Debian's 20.10, which has it built in.
find_docker() {
  for client in docker /usr/bin/docker; do
    command -v "$client" >/dev/null 2>&1 || continue
    if "$client" buildx version >/dev/null 2>&1 || "$client" --version | grep -q ' 20\.10\.'; then
      echo "$client"
      return
    fi
  done
  say "No Docker client with BuildKit: install docker-buildx, or Debian's docker.io."
  exit 2
}

# Debian's slim image: the local one, else a registry's, else made here from Debian's packages.
ensure_debian() {
  "$docker" image inspect "$debian" >/dev/null 2>&1 && return
  timeout 60 "$docker" pull -q "$debian" >/dev/null 2>&1 && return
  command -v mmdebstrap >/dev/null || { say "$debian cannot be pulled: install mmdebstrap to make it here."; exit 2; }
  say "Making $debian from Debian's packages"
  mmdebstrap --variant=minbase --aptopt='Acquire::Retries "3"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --include=ca-certificates trixie - | "$docker" import -c 'CMD ["bash"]' -c 'ENV LANG=C.UTF-8' - "$debian" >/dev/null
}

# The HDF5 extension's wheel, beneath the image's folder: a build sees nothing else.
make_wheel() {
  python=$here/../.venv/bin/python
  [ -x "$python" ] || { say "Run python3 deploy/bootstrap.py first: it brings what builds the HDF5 extension."; exit 2; }
  "$python" "$here/../deploy/hdf5_extension.py" wheel "$here/base/wheels" >&2
}

build() {
  name=$1 tag=panosc/$1:$version
  shift
  ca=${PIP_CERT:-${SSL_CERT_FILE:-}}
  if [ -n "$ca" ]; then set -- "$@" --secret "id=ca,src=$ca"; fi
  if [ -n "${BUILD_PIP_CONF:-}" ]; then set -- "$@" --secret "id=pip,src=$BUILD_PIP_CONF"; fi
  DOCKER_BUILDKIT=1 "$docker" build "$@" --progress=plain -t "$tag" "$here/$name" >&2
  size=$("$docker" image inspect -f '{{.Size}}' "$tag")
  echo "$tag $((size / 1000000)) MB"
}

lock() {
  command -v uv >/dev/null || { say "uv is needed: pip install uv"; exit 2; }
  # Left out: rfc3987-syntax and its parser lark, an optional check of jsonschema's that costs 0.8 s at every start.
  uv pip compile -q --upgrade --python-version 3.13 --python-platform x86_64-manylinux_2_28 --generate-hashes \
    --no-emit-package rfc3987-syntax --no-emit-package lark --custom-compile-command 'images/build.sh lock' \
    "$here/base/requirements.in" -o "$here/base/requirements.lock"
}

case ${1:-} in
  lock) lock ;;
  '' | *[!a-z0-9-]*) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
  *)
    [ -f "$here/$1/Dockerfile" ] || { say "There is no images/$1/Dockerfile."; exit 2; }
    docker=$(find_docker)
    ensure_debian
    if [ "$1" = base ]; then make_wheel; fi
    build "$@"
    ;;
esac
