#pragma once

#include <stdint.h>

#define CORE_ANY UINT32_MAX

/** Bind the calling thread to a core; CORE_ANY leaves it free. A core that is not there is told, and the thread is free. */
void core_pin(uint32_t core);

/** Name the calling thread for people: 15 characters. */
void core_name_thread(const char *name);
