#include "bench/simdjson_parse.h"

#include <simdjson.h>
#include <string_view>

struct simdjson_bench {
	simdjson::ondemand::parser parser;
	simdjson::dom::parser dom;
};

struct simdjson_bench *simdjson_bench_new(void)
{
	return new simdjson_bench;
}

void simdjson_bench_free(struct simdjson_bench *bench)
{
	delete bench;
}

uint64_t simdjson_bench_locate(
	struct simdjson_bench *bench,
	const struct bench_text *texts,
	size_t count,
	const char *const *names,
	size_t name_count
)
{
	std::string_view keys[16];
	uint64_t bytes = 0;

	for (size_t n = 0; n < name_count; n++)
		keys[n] = names[n];
	for (size_t i = 0; i < count; i++) {
		simdjson::padded_string_view text(
			texts[i].bytes, texts[i].size, texts[i].size + simdjson::SIMDJSON_PADDING
		);
		simdjson::ondemand::document document;

		if (bench->parser.iterate(text).get(document) != simdjson::SUCCESS)
			return 0;
		for (size_t n = 0; n < name_count; n++) {
			std::string_view token;

			if (document[keys[n]].raw_json_token().get(token) != simdjson::SUCCESS)
				return 0;
			// The token runs up to the next one; compact texts have just the comma there.
			bytes += token.size();
		}
	}
	return bytes;
}

uint64_t simdjson_bench_validate(
	struct simdjson_bench *bench,
	const struct bench_text *texts,
	size_t count
)
{
	uint64_t valid = 0;

	for (size_t i = 0; i < count; i++)
		valid += bench->dom.parse(texts[i].bytes, texts[i].size, false).error()
			== simdjson::SUCCESS;
	return valid;
}
