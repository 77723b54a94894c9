#pragma once

/** The outcome must be looked at. Hidden in a macro because clang-format 14 mangles the attribute. */
#define MUST_USE [[nodiscard]]

/** Leave a large local as it is: whoever declares it so writes each part before reading it. */
#define UNINITIALIZED __attribute__((uninitialized))

/** Run fn(&variable) when the variable leaves its scope. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

#define PRINTF_LIKE(text, first) __attribute__((__format__(__printf__, text, first)))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
