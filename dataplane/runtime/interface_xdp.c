#include "dataplane/runtime/interface.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// What af_xdp wants of an interface beside its MTU.

enum sl_status interface_queues(
	const char *name,
	uint32_t *ret_usable,
	uint32_t *ret_all,
	struct problem *ret_problem
)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr = {.ifr_data = (char *)&channels};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int failure = 0;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &ifr) != 0)
		failure = errno;
	if (fd >= 0)
		close(fd);
	if (failure != 0 && failure != EOPNOTSUPP)
		return problem_set(
			ret_problem,
			status_of_errno(failure),
			"interface \"%s\": %s",
			name,
			strerror(failure)
		);
	// As DPDK's driver counts: a card without combined channels has one.
	*ret_usable = channels.max_combined == 0 ? 1 : channels.combined_count;
	*ret_all = channels.combined_count + channels.rx_count;
	if (*ret_all == 0)
		*ret_all = 1;
	return SL_OK;
}

/** A name among the network namespace's sockets: nothing is left of it when its owner dies. */
enum sl_status interface_claim(const char *name, struct problem *ret_problem)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int size = snprintf(
		address.sun_path + 1, sizeof(address.sun_path) - 1, "sealane-dataplane/%s", name
	);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int failure;

	// Never closed: the claim holds as long as the process.
	if (fd >= 0
	    && bind(fd,
		    (const struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size))
		    == 0)
		return SL_OK;
	failure = errno;
	if (fd >= 0)
		close(fd);
	if (failure != EADDRINUSE)
		return problem_set(
			ret_problem, SL_E_IO, "interface \"%s\": %s", name, strerror(failure)
		);
	(void)!problem_set(
		ret_problem, SL_E_BUSY, "interface \"%s\" is the port of another dataplane", name
	);
	problem_remedy(ret_problem, "end the other, or name another device");
	return SL_E_BUSY;
}

struct xdp_request {
	struct nlmsghdr head;
	struct ifinfomsg interface;
	struct nlattr nest;
	struct nlattr attribute;
	int32_t program; // -1 = none
};

/** Ask, and read the kernel's answer. Returns 0 or an errno. */
static int ask_netlink(const struct xdp_request *request)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
	} answer = {0};

	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const int on = 1;
	int failure = 0;

	if (fd < 0)
		return errno;
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	if (send(fd, request, sizeof(*request), 0) < 0
	    || recv(fd, &answer, sizeof(answer), 0) < (ssize_t)sizeof(answer.head))
		failure = errno;
	else if (answer.head.nlmsg_type == NLMSG_ERROR)
		failure = -answer.error.error;
	close(fd);
	return failure;
}

enum sl_status interface_drop_xdp(const char *name, struct problem *ret_problem)
{
	struct xdp_request request = {
		.head =
			{
				.nlmsg_len = sizeof(request),
				.nlmsg_type = RTM_SETLINK,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
			},
		.interface = {.ifi_index = (int)if_nametoindex(name)},
		.nest =
			{
				.nla_len = sizeof(request) - offsetof(struct xdp_request, nest),
				.nla_type = IFLA_XDP | NLA_F_NESTED,
			},
		.attribute =
			{
				.nla_len =
					sizeof(request) - offsetof(struct xdp_request, attribute),
				.nla_type = IFLA_XDP_FD,
			},
		.program = -1,
	};
	int failure = ask_netlink(&request);

	if (failure == 0)
		return SL_OK;
	(void)!problem_set(
		ret_problem,
		status_of_errno(failure),
		"interface \"%s\" does not let go of its XDP program: %s",
		name,
		strerror(failure)
	);
	problem_remedy(
		ret_problem,
		"af_xdp takes CAP_NET_ADMIN; see `ip link show %s`, `bpftool net`",
		name
	);
	return status_of_errno(failure);
}

const char *interface_xdp_program(void)
{
	static const char *const paths[] = {
		"/usr/lib/x86_64-linux-gnu/bpf/xsk_def_xdp_prog_5.3.o",
		"/usr/lib64/bpf/xsk_def_xdp_prog_5.3.o",
		"/usr/lib/bpf/xsk_def_xdp_prog_5.3.o",
		"/usr/local/lib/bpf/xsk_def_xdp_prog_5.3.o",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (access(paths[i], R_OK) == 0)
			return paths[i];
	return NULL;
}
