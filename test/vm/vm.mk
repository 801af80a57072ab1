# Stock Debian kernels in virtual machines; also part of `make test`.

.PHONY: test-vm vm-shell
test-vm: build | setup ## boot Debian's kernels 6.1 and 6.12 and run the packet path under them
	$(BIN)/vitest run --project vm $(TESTS)

vm-shell: build | setup ## run COMMAND under KERNEL=6.1|6.12 in a VM on this machine's files
	@test/vm/boot.sh "$$(test/vm/fetch-kernel.sh $(or $(KERNEL),6.12))" /dev/null -- \
		bash -c '$(or $(COMMAND),uname -a)'
