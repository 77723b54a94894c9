#include "bench/load/endpoint.h"

#include <string.h>

enum sl_status endpoint_read(
	const char *text,
	struct endpoint *ret_endpoint,
	struct problem *ret_problem
)
{
	const char *colon = strrchr(text, ':');
	size_t host_size = colon == NULL ? 0 : (size_t)(colon - text);

	if (text[0] == '[' && host_size > 2 && colon[-1] == ']') {
		text++;
		host_size -= 2;
	} else if (memchr(text, ':', host_size) != NULL) {
		host_size = 0; // an IPv6 address without brackets
	}
	if (host_size == 0 || host_size >= ENDPOINT_HOST_MAX || colon[1] == '\0'
	    || strlen(colon + 1) >= ENDPOINT_PORT_MAX) {
		(void)!problem_set(ret_problem, SL_E_INVALID, "\"%s\" is no HOST:PORT", text);
		problem_remedy(
			ret_problem,
			"write 192.0.2.2:5000, [2001:db8::2]:5000 or appliance.example:5000"
		);
		return SL_E_INVALID;
	}
	*ret_endpoint = (struct endpoint){0};
	memcpy(ret_endpoint->host, text, host_size);
	strcpy(ret_endpoint->port, colon + 1);
	return SL_OK;
}
