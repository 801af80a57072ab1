# The agent and lbctl. Run it privileged, with the host's network and /sys/fs/bpf:
#   docker run --privileged --network host -v /sys/fs/bpf:/sys/fs/bpf -v /etc/l4lb:/etc/l4lb l4lb
FROM node:24-bookworm AS build
WORKDIR /src
COPY . .
RUN make build && npm prune --omit=dev --no-fund --no-audit

FROM node:24-bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libbpf1 iproute2 ethtool procps \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/l4lb
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules ./node_modules
COPY --from=build /src/build/*.bpf.o /src/build/libl4lb.so ./build/
COPY --from=build /src/dist ./dist
RUN ln -s /opt/l4lb/dist/agent/lb-agent.js /usr/local/bin/lb-agent \
 && ln -s /opt/l4lb/dist/cli/lbctl.js /usr/local/bin/lbctl
ENTRYPOINT ["lb-agent"]
