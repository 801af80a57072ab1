// SPDX-License-Identifier: GPL-2.0
/* Maps in bulk: many entries, or the memory itself, in one call. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "l4lb.h"

/* Values of a per-CPU map fetched by one system call. */
#define PER_CPU_CHUNK 256

/* type, key size, value size, max_entries, flags */
L4LB_EXPORT int l4lb_map_info(int map_fd, __u32 *info)
{
	struct bpf_map_info map = {};
	__u32 length = sizeof(map);
	int error = bpf_obj_get_info_by_fd(map_fd, &map, &length);

	if (error)
		return error;
	info[0] = map.type;
	info[1] = map.key_size;
	info[2] = map.value_size;
	info[3] = map.max_entries;
	info[4] = map.map_flags;
	return 0;
}

/*
 * Reads up to *count entries behind the cursor (first: from the start) and
 * moves the cursor. Returns 1 when these were the last. -ENOSPC: a hash
 * bucket has more entries than *count.
 */
L4LB_EXPORT int l4lb_map_read_batch(int map_fd, int first, void *cursor, void *keys, void *values,
				    __u32 *count)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	int error = bpf_map_lookup_batch(map_fd, first ? NULL : cursor, cursor, keys, values, count,
					 &options);

	return error == -ENOENT ? 1 : error;
}

/* Adds the copies of all CPUs, word by word. */
static void sum_copies(const __u64 *copies, __u32 values, size_t words, int cpus, __u64 *sums)
{
	for (__u32 i = 0; i < values; i++, sums += words) {
		memset(sums, 0, words * sizeof(*sums));
		for (int cpu = 0; cpu < cpus; cpu++)
			for (size_t word = 0; word < words; word++)
				sums[word] += *copies++;
	}
}

/* Sums of count values from index first of a per-CPU array. */
L4LB_EXPORT int l4lb_percpu_sum(int map_fd, __u32 value_size, __u32 first, __u32 count, int cpus,
				__u64 *sums)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	size_t words = ROUND_UP_8(value_size) / 8;
	__u32 keys[PER_CPU_CHUNK], cursor = first - 1;
	__u64 *copies = malloc(PER_CPU_CHUNK * words * cpus * 8);
	int error = copies ? 0 : -ENOMEM;

	for (__u32 done = 0; !error && done < count;) {
		__u32 chunk = count - done < PER_CPU_CHUNK ? count - done : PER_CPU_CHUNK;

		/* For arrays the cursor is the index before the first one read. */
		error = bpf_map_lookup_batch(map_fd, first + done ? &cursor : NULL, &cursor, keys,
					     copies, &chunk, &options);
		if (error == -ENOENT && chunk == count - done)
			error = 0;	/* the end of the map, reached on time */
		sum_copies(copies, chunk, words, cpus, sums + done * words);
		done += chunk;
	}
	free(copies);
	return error;
}

/* Sets count values from index first of a per-CPU array to zero. */
L4LB_EXPORT int l4lb_percpu_clear(int map_fd, __u32 value_size, __u32 first, __u32 count, int cpus)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	void *zeros = calloc(PER_CPU_CHUNK, ROUND_UP_8(value_size) * cpus);
	int error = zeros ? 0 : -ENOMEM;

	for (__u32 done = 0; !error && done < count;) {
		__u32 keys[PER_CPU_CHUNK];
		__u32 chunk = count - done < PER_CPU_CHUNK ? count - done : PER_CPU_CHUNK;

		for (__u32 i = 0; i < chunk; i++)
			keys[i] = first + done + i;
		error = bpf_map_update_batch(map_fd, keys, zeros, &chunk, &options);
		done += chunk;
	}
	free(zeros);
	return error;
}

/*
 * Maps the values of an array into memory; the size in bytes is *size. Programs
 * that are started get no part of it: fork would copy the page tables of
 * hundreds of megabytes, and stop the agent for tens of milliseconds.
 */
L4LB_EXPORT int l4lb_map_memory(int map_fd, int writable, const __u64 *size, void **memory)
{
	int access = PROT_READ | (writable ? PROT_WRITE : 0);

	*memory = mmap(NULL, *size, access, MAP_SHARED, map_fd, 0);
	if (*memory == MAP_FAILED)
		return -errno;
	return madvise(*memory, *size, MADV_DONTFORK) ? -errno : 0;
}
