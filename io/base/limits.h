#pragma once

/** Every limit that more than one folder must agree on, with its unit. */
enum {
	EVENT_SIZE_MAX = 1
		<< 20, // bytes of one event's text; a longer one goes to the dead letters in parts
	EVENT_DEPTH_MAX = 128,      // nested arrays and objects in an event
	EVENT_CELLS_MAX = 256,      // personal, checked or undeclared values found in one event
	CONTRACT_FIELDS_MAX = 256,  // fields of one contract
	CONTRACT_NODES_MAX = 1024,  // steps of all paths of one contract
	CONTRACT_REF_MAX = 255,     // bytes of handle/name/version
	CONTRACT_PURPOSES_MAX = 16, // distinct purposes of one contract's fields
	PATH_SIZE_MAX = 240,        // bytes of a field's path as the contract writes it
	PURPOSE_MAX = 63,           // highest purpose level: consents fit one 64-bit set
	KEY_VALUE_MAX = 4096,       // bytes of a key field's or subject field's value
	VIEWS_MAX = 16              // derived targets of one job or stream
};
