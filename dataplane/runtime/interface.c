#include "dataplane/runtime/interface.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/** One request about an interface, over a socket of its own. */
static enum sl_status ask(
	const char *name,
	unsigned long request,
	struct ifreq *ifr,
	struct problem *ret_problem
)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int failure = 0;

	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, request, ifr) != 0)
		failure = errno;
	if (fd >= 0)
		close(fd);
	if (failure == 0)
		return SL_OK;
	(void)!problem_set(
		ret_problem,
		failure == ENODEV ? SL_E_NOT_FOUND : status_of_errno(failure),
		"port: interface \"%s\": %s",
		name,
		strerror(failure)
	);
	if (failure == ENODEV)
		problem_remedy(
			ret_problem,
			"name one of `ip link` as device in sealane.yaml, or set it up first"
		);
	return ret_problem->status;
}

enum sl_status interface_mtu(const char *name, uint32_t *ret_mtu, struct problem *ret_problem)
{
	struct ifreq ifr = {0};

	SL_TRY(ask(name, SIOCGIFMTU, &ifr, ret_problem));
	*ret_mtu = (uint32_t)ifr.ifr_mtu;
	return SL_OK;
}

enum sl_status interface_mac(
	const char *name,
	uint8_t ret_mac[static 6],
	struct problem *ret_problem
)
{
	struct ifreq ifr = {0};

	SL_TRY(ask(name, SIOCGIFHWADDR, &ifr, ret_problem));
	memcpy(ret_mac, ifr.ifr_hwaddr.sa_data, 6);
	return SL_OK;
}

enum sl_status interface_set_mtu(const char *name, uint32_t mtu, struct problem *ret_problem)
{
	struct ifreq ifr = {.ifr_mtu = (int)mtu};

	return ask(name, SIOCSIFMTU, &ifr, ret_problem);
}

static enum sl_status refuse_tap(const char *name, int failure, struct problem *p)
{
	if (failure == EINVAL) {
		(void)!problem_set(
			p,
			SL_E_EXISTS,
			"interface \"%s\" is there and is no TAP of several queues",
			name
		);
		problem_remedy(p, "ip link delete %s, or give host_interface another name", name);
		return SL_E_EXISTS;
	}
	(void)!problem_set(
		p,
		status_of_errno(failure),
		"interface \"%s\" can not be made: %s",
		name,
		strerror(failure)
	);
	problem_remedy(p, "it takes CAP_NET_ADMIN, and read and write of /dev/net/tun");
	return status_of_errno(failure);
}

enum sl_status interface_open_tap(const char *name, int *ret_fd, struct problem *ret_problem)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int failure;

	if (fd < 0)
		return refuse_tap(name, errno, ret_problem);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	// No offloads: one that vhost-net once served may have them still, and frames would lack their checksums.
	if (ioctl(fd, TUNSETIFF, &ifr) != 0 || ioctl(fd, TUNSETPERSIST, 1) != 0
	    || ioctl(fd, TUNSETOFFLOAD, 0) != 0) {
		failure = errno;
		close(fd);
		return refuse_tap(name, failure, ret_problem);
	}
	*ret_fd = fd;
	return SL_OK;
}

enum sl_status interface_set_mac(
	const char *name,
	const uint8_t mac[static 6],
	struct problem *ret_problem
)
{
	struct ifreq ifr = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};
	uint8_t old[6];

	// A change, even to the same, makes the kernel forget its neighbours.
	SL_TRY(interface_mac(name, old, ret_problem));
	if (memcmp(old, mac, sizeof(old)) == 0)
		return SL_OK;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, sizeof(old));
	return ask(name, SIOCSIFHWADDR, &ifr, ret_problem);
}

enum sl_status interface_set_up(const char *name, struct problem *ret_problem)
{
	struct ifreq ifr = {0};

	SL_TRY(ask(name, SIOCGIFFLAGS, &ifr, ret_problem));
	ifr.ifr_flags |= IFF_UP;
	return ask(name, SIOCSIFFLAGS, &ifr, ret_problem);
}
