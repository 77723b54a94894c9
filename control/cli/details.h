#pragma once

/** What `sealane help VERB` and `sealane VERB … --help` say beyond the usage line; "" when nothing. */
const char *details_of(const char *verb);
