# The demo: one command, no cluster, nothing left behind.

.PHONY: demo demo-clean
demo: build | setup ## show it all in network namespaces; KEEP=1 leaves it standing
	@$(BIN)/tsx test/demo/demo.ts

demo-clean: ## take down a demo that was left standing
	@$(BIN)/tsx test/rig/clean.ts demo
