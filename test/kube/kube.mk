# Tests against a real control plane, made of Go modules by test/kube/control-plane.

.PHONY: test-kube kube-control-plane
kube-control-plane: ## build etcd and kube-apiserver for tests, once a version (minutes)
	@test/kube/control-plane/build >/dev/null

test-kube: build kube-control-plane | setup ## tests against a real API server and etcd (TESTS=)
	$(BIN)/vitest run --project kube $(TESTS)
