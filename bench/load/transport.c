#include "bench/load/transport.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct transport_kind *const transport_kinds[] = {
	&transport_udp,
	&transport_sealed,
	&transport_af_packet,
	&transport_memif,
	&transport_null,
};
const size_t transport_kind_count = sizeof(transport_kinds) / sizeof(transport_kinds[0]);

const struct transport_kind *transport_find(const char *name)
{
	for (size_t i = 0; i < transport_kind_count; i++)
		if (strcmp(transport_kinds[i]->name, name) == 0)
			return transport_kinds[i];
	return NULL;
}

void transport_fail(struct transport *t, const char *format, ...)
{
	va_list args;

	if (t->fault[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(t->fault, sizeof(t->fault), format, args);
	va_end(args);
}

static enum sl_status open_null(
	struct transport *t,
	const struct transport_options *options,
	struct problem *ret_problem
)
{
	(void)ret_problem;
	t->self = options->stock;
	t->is_counted = true;
	return SL_OK;
}

/** All the work of a load generator but for the handing over. */
static size_t send_null(struct transport *t, const struct shot shots[], size_t count)
{
	const struct stock *stock = t->self;

	for (size_t i = 0; i < count; i++)
		stock_stamp(&stock->events[shots[i].event], shots[i].subject, shots[i].number);
	t->delivered += count;
	return count;
}

static void poll_null(struct transport *t)
{
	(void)t;
}

const struct transport_kind transport_null = {
	.name = "null",
	.help = "nowhere: what the generator itself can do",
	.is_answered = true,
	.has_no_target = true,
	.has_self_test = true,
	.open = open_null,
	.send = send_null,
	.poll = poll_null,
	.close = poll_null,
};
