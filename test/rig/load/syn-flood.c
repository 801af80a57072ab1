/* SPDX-License-Identifier: GPL-2.0 */
/*
 * syn-flood OBJECT DEVICE LB-MAC VIP PORT WATCHED COUNT
 *
 * Sends COUNT SYNs of random tuples out of DEVICE and counts what comes back
 * (syn-flood.bpf.c), on one CPU. Prints JSON: what was sent, what came for each
 * backend, and the tuples that came for WATCHED.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "syn-flood.h"

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

/* Fewer than a veth's ring holds, so that the other end keeps up. */
#define BATCH 64
#define CHUNK 100000
#define FRAME 60

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "syn-flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void read_mac(const char *text, uint8_t *mac)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
		   &mac[5]) != ETH_ALEN) {
		errno = EINVAL;
		fail(text);
	}
}

static uint32_t read_address(const char *text)
{
	struct in_addr address;

	if (inet_pton(AF_INET, text, &address) != 1) {
		errno = EINVAL;
		fail(text);
	}
	return address.s_addr;
}

static int map_fd(struct bpf_object *object, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);

	if (fd < 0)
		fail(name);
	return fd;
}

static int program_fd(struct bpf_object *object, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);

	if (!program)
		fail(name);
	return bpf_program__fd(program);
}

static void send_syns(int source, int ifindex, long count)
{
	char frame[FRAME] = { 0 };
	struct xdp_md context = { .data_end = FRAME, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = FRAME,
		    .ctx_in = &context, .ctx_size_in = sizeof(context),
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);

	for (long left = count; left > 0; left -= options.repeat) {
		options.repeat = left < CHUNK ? left : CHUNK;
		if (bpf_prog_test_run_opts(source, &options))
			fail("sending");
	}
}

static void print_address(uint32_t address)
{
	char text[INET_ADDRSTRLEN];

	printf("\"%s\"", inet_ntop(AF_INET, &address, text, sizeof(text)));
}

static void print_result(struct bpf_object *object, long sent)
{
	int arrived = map_fd(object, "arrived"), tuples = map_fd(object, "watched_tuples");
	uint32_t *before = NULL, backend;
	struct { uint32_t client, port; } tuple, *last = NULL;
	uint64_t count;

	printf("{\"sent\":%ld,\"arrived\":{", sent);
	for (; !bpf_map_get_next_key(arrived, before, &backend); before = &backend) {
		if (bpf_map_lookup_elem(arrived, &backend, &count))
			fail("arrived");
		printf(before ? "," : "");
		print_address(backend);
		printf(":%llu", (unsigned long long)count);
	}
	printf("},\"watched\":[");
	for (; !bpf_map_get_next_key(tuples, last, &tuple); last = &tuple) {
		printf(last ? ",[" : "[");
		print_address(tuple.client);
		printf(",%u]", tuple.port);
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct flood_settings *settings;
	struct bpf_map *map;
	const uint64_t *unwatched;
	size_t size;
	int ifindex;

	if (argc != 8) {
		fprintf(stderr, "usage: syn-flood OBJECT DEVICE LB-MAC VIP PORT WATCHED COUNT\n");
		return 2;
	}
	ifindex = if_nametoindex(argv[2]);
	object = bpf_object__open_file(argv[1], NULL);
	if (!ifindex || !object)
		fail(ifindex ? argv[1] : argv[2]);
	map = bpf_object__find_map_by_name(object, ".rodata");
	settings = map ? (void *)bpf_map__initial_value(map, &size) : NULL;
	if (!settings || size != sizeof(*settings))
		fail(".rodata");
	read_mac(argv[3], settings->lb_mac);
	settings->vip = read_address(argv[4]);
	settings->port = htons(atoi(argv[5]));
	settings->watched = read_address(argv[6]);
	if (bpf_object__load(object))
		fail("loading");
	if (bpf_xdp_attach(ifindex, program_fd(object, "flood_sink"), XDP_FLAGS_DRV_MODE, NULL))
		fail("attaching");
	send_syns(program_fd(object, "flood_source"), ifindex, atol(argv[7]));
	map = bpf_object__find_map_by_name(object, ".bss");
	unwatched = map ? bpf_map__initial_value(map, &size) : NULL;
	if (!unwatched || *unwatched) {
		fprintf(stderr, "syn-flood: too many tuples came for %s\n", argv[6]);
		return 1;
	}
	print_result(object, atol(argv[7]));
	return 0;
}
