#include "control/cli/command.h"
#include "crypto/engine.h"
#include "dataplane/pipeline/json.h"

#include <stdio.h>

enum exit_code command_version(int argc, char **argv)
{
	static const char *const levels[] = {
		[JSON_AUTO] = "auto",
		[JSON_SCALAR] = "scalar",
		[JSON_AVX2] = "AVX2",
		[JSON_AVX512] = "AVX-512"};
	const struct engine_options options = {0};
	struct json_parser *parser;
	struct engine *engine;
	struct problem problem;

	if (argc > 1)
		return usage_error("version", "", "there is nothing to say of %s", argv[1]);
	printf("sealane %s\n", SEALANE_VERSION);
	if (engine_new(&options, &engine, &problem) != SL_OK) {
		problem_print(stdout, &problem);
		return EXIT_ENVIRONMENT;
	}
	printf("cipher: %s\n", engine_text(engine));
	engine_free(engine);
	if (json_parser_new(JSON_AUTO, &parser) != SL_OK)
		return EXIT_ENVIRONMENT;
	printf("parser: %s\n", levels[json_parser_level(parser)]);
	json_parser_free(parser);
	return EXIT_DONE;
}
