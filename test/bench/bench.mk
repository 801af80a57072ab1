# Included by the Makefile. ROUNDS, OUT and QUICK=1 are read from the command
# line or the environment; BENCH_ARGS takes what `bench.ts --help` would list.

.PHONY: bench
bench: build kube-control-plane ## measure the packet path and the control plane (ROUNDS= OUT= QUICK=1 BENCH_ARGS=)
	node_modules/.bin/tsx test/bench/bench.ts $(BENCH_ARGS)

.PHONY: bench-scale
bench-scale: build kube-control-plane ## follow 10,000 Services and 50,000 EndpointSlices of a real API server (OUT= QUICK=1 CLUSTER=)
	node_modules/.bin/tsx test/bench/kubernetes/scale-kubernetes.ts

.PHONY: bench-consistency
bench-consistency: build ## broken connections by event, simulated (FLOWS= SLOTS= REMEMBERED= OUT=)
	node_modules/.bin/tsx test/bench/broken-connections.ts

.PHONY: bench-consistency-rig
bench-consistency-rig: build ## the same with real connections in network namespaces (CONNECTIONS= STEP= EVENTS= SCHEMES= OUT=)
	node_modules/.bin/tsx test/bench/rig-broken-connections.ts
