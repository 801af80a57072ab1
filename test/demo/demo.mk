# The demo: one command, no cluster, nothing left behind.

.PHONY: demo demo-clean
demo: build $(if $(filter kubernetes,$(SOURCE)),kube-control-plane) | setup ## show it all in network namespaces; SOURCE=kubernetes on a real API server; KEEP=1 leaves it standing
	@SOURCE=$(SOURCE) $(BIN)/tsx test/demo/demo.ts

demo-clean: ## take down a demo that was left standing
	@$(BIN)/tsx test/rig/clean.ts demo
