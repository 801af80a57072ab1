// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps what libbpf says, for the message of the error that follows. libbpf
 * prints from the thread that calls it; the lock is for calls made on Node's
 * worker threads.
 */
#define _GNU_SOURCE
#include <bpf/libbpf.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "l4lb.h"

/* A verifier log may be megabytes; its end says what is wrong. */
#define LOG_CAPACITY (64 * 1024)

static char log_text[LOG_CAPACITY];
static size_t log_length;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

/* Drops the older half to make room. */
static void log_make_room(size_t wanted)
{
	if (log_length + wanted <= LOG_CAPACITY)
		return;
	size_t keep = LOG_CAPACITY - wanted;

	if (keep > LOG_CAPACITY / 2)
		keep = LOG_CAPACITY / 2;
	if (keep > log_length)
		keep = log_length;
	memmove(log_text, log_text + log_length - keep, keep);
	log_length = keep;
}

static void log_append(const char *text, size_t length)
{
	if (length > LOG_CAPACITY) {
		text += length - LOG_CAPACITY;
		length = LOG_CAPACITY;
	}
	pthread_mutex_lock(&log_lock);
	log_make_room(length);
	memcpy(log_text + log_length, text, length);
	log_length += length;
	pthread_mutex_unlock(&log_lock);
}

static int log_print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char *text = NULL;
	int length;

	if (level == LIBBPF_DEBUG)
		return 0;
	length = vasprintf(&text, format, arguments);
	if (length < 0)
		return 0;
	log_append(text, length);
	free(text);
	return length;
}

/* From now on libbpf's messages are kept instead of printed. */
L4LB_EXPORT int l4lb_log_capture(void)
{
	libbpf_set_print(log_print);
	return 0;
}

/* Moves the end of the log, at most size bytes, to text; returns its length. */
L4LB_EXPORT int l4lb_log_take(char *text, int size)
{
	pthread_mutex_lock(&log_lock);
	size_t length = log_length < (size_t)size ? log_length : (size_t)size;

	memcpy(text, log_text + log_length - length, length);
	log_length = 0;
	pthread_mutex_unlock(&log_lock);
	return length;
}
