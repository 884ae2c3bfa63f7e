FROM python:3.13-slim AS build

# The environment has no pip, because the service needs no installer.
RUN python -m venv --without-pip /venv
# Use requirements/tracing.txt for an image that can send spans.
ARG REQUIREMENTS=requirements.txt
COPY requirements.txt ./
COPY requirements/build.txt requirements/tracing.txt requirements/
# One package is published as source only. Its build tools are pinned too and removed again.
RUN pip --python /venv/bin/python install --no-cache-dir --require-hashes -r requirements/build.txt \
 && pip --python /venv/bin/python install --no-cache-dir --require-hashes --no-build-isolation \
      --only-binary :all: --no-binary amadeus -r "$REQUIREMENTS" \
 && pip --python /venv/bin/python uninstall --yes setuptools \
 && find /venv -type d -name tests -prune -exec rm -r {} +


FROM python:3.13-slim

# Remove all installers and all set-uid programs.
RUN find / -xdev \( -path '*/bin/pip*' -o -path '*/python3*/pip' -o -path '*/python3*/pip-*' \
      -o -path '*/python3.*/ensurepip' \) -prune -exec rm -r {} + \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} +

# Write no .pyc files at run time: the root file system may be read-only.
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PORT=8080

WORKDIR /app
COPY --from=build /venv /venv
COPY gunicorn.conf.py ./
COPY api api
COPY bridge bridge
COPY protocol protocol
COPY sandbox sandbox
RUN python -m compileall -q .

# A number, so that Kubernetes can check that the user is not root.
USER 10001:10001

EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s CMD ["python", "-c", "\
import http.client, os, sys\n\
connection = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=2)\n\
connection.request('GET', '/healthz')\n\
sys.exit(connection.getresponse().status != 200)"]

CMD ["gunicorn"]
