# The agent and lbctl. deploy/ runs it in a cluster; without one, with the same rights on the node:
#   docker run --cap-drop ALL --cap-add BPF --cap-add NET_ADMIN --cap-add PERFMON \
#     --security-opt apparmor=unconfined --network host -v /etc/l4lb:/etc/l4lb -v /run/l4lb:/run/l4lb \
#     -v /sys/fs/bpf:/sys/fs/bpf -v /proc/sys/net:/host/proc/sys/net -e L4LB_PROC_SYS=/host/proc/sys l4lb
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
