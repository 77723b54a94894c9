#pragma once

// Tables of the vector UTF-8 check (Keiser and Lemire, "Validating UTF-8 in less than one instruction
// per byte"): three look-ups by nibble, and-ed, leave the bits of the errors that a pair of bytes makes.

enum utf8_fault {
	UTF8_TOO_SHORT = 1 << 0,           // lead not followed by a continuation
	UTF8_TOO_LONG = 1 << 1,            // ASCII followed by a continuation
	UTF8_OVERLONG_3 = 1 << 2,          // E0 80..9F
	UTF8_TOO_LARGE = 1 << 3,           // F4 90..BF, F5.. 80..BF
	UTF8_SURROGATE = 1 << 4,           // ED A0..BF
	UTF8_OVERLONG_2 = 1 << 5,          // C0, C1
	UTF8_LARGE_OR_OVERLONG_4 = 1 << 6, // F5.. 80..8F; F0 80..8F
	UTF8_TWO_CONTS = 1 << 7, // two continuations: an error unless a lead before asks for it
	UTF8_CARRY = UTF8_TOO_SHORT | UTF8_TOO_LONG | UTF8_TWO_CONTS,
	UTF8_BIG = UTF8_TOO_LARGE | UTF8_LARGE_OR_OVERLONG_4
};

// By the high nibble of the first byte, its low nibble, and the high nibble of the second.
#define UTF8_FIRST_HIGH                                                                            \
	UTF8_TOO_LONG, UTF8_TOO_LONG, UTF8_TOO_LONG, UTF8_TOO_LONG, UTF8_TOO_LONG, UTF8_TOO_LONG,  \
		UTF8_TOO_LONG, UTF8_TOO_LONG, (char)UTF8_TWO_CONTS, (char)UTF8_TWO_CONTS,          \
		(char)UTF8_TWO_CONTS, (char)UTF8_TWO_CONTS, UTF8_TOO_SHORT | UTF8_OVERLONG_2,      \
		UTF8_TOO_SHORT, UTF8_TOO_SHORT | UTF8_OVERLONG_3 | UTF8_SURROGATE,                 \
		UTF8_TOO_SHORT | UTF8_BIG
#define UTF8_FIRST_LOW                                                                             \
	(char)(UTF8_CARRY | UTF8_OVERLONG_3 | UTF8_OVERLONG_2 | UTF8_LARGE_OR_OVERLONG_4),         \
		(char)(UTF8_CARRY | UTF8_OVERLONG_2), (char)UTF8_CARRY, (char)UTF8_CARRY,          \
		(char)(UTF8_CARRY | UTF8_TOO_LARGE), (char)(UTF8_CARRY | UTF8_BIG),                \
		(char)(UTF8_CARRY | UTF8_BIG), (char)(UTF8_CARRY | UTF8_BIG),                      \
		(char)(UTF8_CARRY | UTF8_BIG), (char)(UTF8_CARRY | UTF8_BIG),                      \
		(char)(UTF8_CARRY | UTF8_BIG), (char)(UTF8_CARRY | UTF8_BIG),                      \
		(char)(UTF8_CARRY | UTF8_BIG), (char)(UTF8_CARRY | UTF8_BIG | UTF8_SURROGATE),     \
		(char)(UTF8_CARRY | UTF8_BIG), (char)(UTF8_CARRY | UTF8_BIG)
#define UTF8_SECOND_HIGH                                                                           \
	UTF8_TOO_SHORT, UTF8_TOO_SHORT, UTF8_TOO_SHORT, UTF8_TOO_SHORT, UTF8_TOO_SHORT,            \
		UTF8_TOO_SHORT, UTF8_TOO_SHORT, UTF8_TOO_SHORT,                                    \
		(char)(UTF8_TOO_LONG | UTF8_OVERLONG_2 | UTF8_TWO_CONTS | UTF8_OVERLONG_3          \
		       | UTF8_LARGE_OR_OVERLONG_4),                                                \
		(char)(UTF8_TOO_LONG | UTF8_OVERLONG_2 | UTF8_TWO_CONTS | UTF8_OVERLONG_3          \
		       | UTF8_TOO_LARGE),                                                          \
		(char)(UTF8_TOO_LONG | UTF8_OVERLONG_2 | UTF8_TWO_CONTS | UTF8_SURROGATE           \
		       | UTF8_TOO_LARGE),                                                          \
		(char)(UTF8_TOO_LONG | UTF8_OVERLONG_2 | UTF8_TWO_CONTS | UTF8_SURROGATE           \
		       | UTF8_TOO_LARGE),                                                          \
		UTF8_TOO_SHORT, UTF8_TOO_SHORT, UTF8_TOO_SHORT, UTF8_TOO_SHORT
