#pragma once

#include "crypto/field.h"

// Sealing and opening of a burst with OpenSSL's EVP, as one would write it: contexts made once, a key and an IV set
// for each field. The yardstick of lanes_bench; the same columns, bytes and base64 as the engine's.

struct evp_fields;

struct evp_fields *evp_fields_new(void);
void evp_fields_free(struct evp_fields *e);

/** A random IV is a counter here: cheaper than anything random, to EVP's favour. */
void evp_seal_fields(struct evp_fields *e, struct seal_burst *burst);

/** Fields opened. */
size_t evp_open_fields(struct evp_fields *e, struct open_burst *burst);
