// Finds texts that our JSON parser and simdjson judge differently.
// Targets: json_validate

#include <cstdlib>
#include <cstring>
#include <simdjson.h>
#include <vector>

// Our headers are C only: what is needed of them, by the same names.
extern "C" {
struct json_parser;

struct view {
	const uint8_t *bytes;
	size_t size;
};

unsigned json_parser_new(unsigned level, struct json_parser **ret_parser);
unsigned json_validate(struct json_parser *parser, struct view text);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
}

namespace
{
// Of enum drop_reason; append only there.
constexpr unsigned DROP_NONE = 0;
constexpr unsigned DROP_SIZE = 1;
constexpr unsigned DROP_SURROGATE = 4;
constexpr unsigned DROP_DEPTH = 5;

/** Differences that are meant: limits of ours, and what simdjson takes for its own reasons. */
bool is_meant(unsigned ours, simdjson::error_code theirs)
{
	if (ours == DROP_SIZE || ours == DROP_DEPTH)
		return true;
	// simdjson replaces or refuses half a pair, depending on its half.
	if (ours == DROP_SURROGATE)
		return true;
	// A number is text to us; simdjson has to make a value of it.
	return ours == DROP_NONE
		&& (theirs == simdjson::NUMBER_ERROR || theirs == simdjson::NUMBER_OUT_OF_RANGE);
}

/** Whether any number would overflow what simdjson keeps numbers in: an exponent or many digits. */
bool has_large_number(const uint8_t *bytes, size_t size)
{
	size_t digits = 0;

	for (size_t i = 0; i < size; i++) {
		bool is_digit = bytes[i] >= '0' && bytes[i] <= '9';

		digits = is_digit ? digits + 1 : 0;
		if (digits > 18
		    || ((bytes[i] | 0x20) == 'e' && i > 0 && bytes[i - 1] >= '0'
			&& bytes[i - 1] <= '9'))
			return true;
	}
	return false;
}
} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct json_parser *parser;
	static simdjson::dom::parser dom;
	std::vector<uint8_t> copy(size + simdjson::SIMDJSON_PADDING, ' ');
	simdjson::error_code theirs;
	unsigned ours;

	if (parser == nullptr && json_parser_new(0, &parser) != 0)
		std::abort();
	if (size != 0)
		std::memcpy(copy.data(), bytes, size);
	// simdjson skips a byte order mark; RFC 8259 lets a parser refuse it, and ours does.
	if (size >= 3 && std::memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		return 0;
	theirs = dom.parse(copy.data(), size, false).error();
	ours = json_validate(parser, view{copy.data(), size});
	if ((ours == DROP_NONE) == (theirs == simdjson::SUCCESS) || is_meant(ours, theirs))
		return 0;
	if (ours == DROP_NONE && has_large_number(bytes, size))
		return 0;
	std::abort();
}
