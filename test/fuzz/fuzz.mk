# SEED, MINUTES, PACKETS, HISTORIES and REPLAY are read from the environment; docs/testing.md explains them.

.PHONY: fuzz
fuzz: build | setup ## random packets and histories against the model (SEED= MINUTES=10 PACKETS= HISTORIES= REPLAY=)
	@SEED=$(SEED) MINUTES=$(MINUTES) PACKETS=$(PACKETS) HISTORIES=$(HISTORIES) REPLAY=$(REPLAY) node --import tsx test/fuzz/fuzz.ts
