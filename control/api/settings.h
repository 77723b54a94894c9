#pragma once

#include <stdbool.h>
#include <stdint.h>

// The dataplane's own configuration, flat, as control read and checked it from sealane.yaml (control/config.def).
// A dataplane gets it once, when it attaches; a change needs a restart.

enum {
	SETTINGS_TEXT_MAX = 128,
	SETTINGS_PATH_MAX = 256,
	SETTINGS_WORKERS_MAX = 64,
	SETTINGS_ADDRESSES_MAX = 16
};

enum settings_port_kind {
	SETTINGS_PORT_AF_PACKET, // device: an interface
	SETTINGS_PORT_AF_XDP,    // device: an interface
	SETTINGS_PORT_MEMIF,     // device: path of the socket; we are its server
	SETTINGS_PORT_PCI,       // device: PCI address
	SETTINGS_PORT_PCAP,      // device: a capture file that is played
	SETTINGS_PORT_RING       // in-process, for benches
};

struct settings {
	uint32_t size; // of this struct
	uint32_t port_kind;
	char port_device[SETTINGS_PATH_MAX];
	uint8_t address[SETTINGS_ADDRESSES_MAX][16]; // of the port; IPv4 as ::ffff:a.b.c.d
	uint32_t address_count;
	char host_interface
		[16]; // of the exception path, made in the kernel; "" = no exception path
	uint32_t worker_count;
	uint32_t worker_core[SETTINGS_WORKERS_MAX]; // UINT32_MAX = not pinned
	uint32_t egress_core;                       // likewise
	uint32_t rx_descriptors;
	uint32_t frames;         // mbufs
	uint32_t memory_mib;     // of EAL, in huge pages or small ones
	uint32_t parcels;        // a worker and stream
	uint32_t parcel_bytes;   // of one output room
	uint32_t idle_us_max;    // longest sleep of an idle worker; 0 = never sleeps
	uint32_t flush_us;       // oldest row that waits in a parcel
	uint32_t commit_ms;      // between two commits of the sinks
	uint32_t use_huge_pages; // 0 never, 1 when enough are free
	char state_directory[SETTINGS_PATH_MAX]; // checkpoint
	char eal_prefix[SETTINGS_TEXT_MAX];
};
