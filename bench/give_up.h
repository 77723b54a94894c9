#pragma once

/** End the program with a message: a bench that can not do what it says prints no figures. */
_Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** The memory, which is there. */
void *must(void *memory);
