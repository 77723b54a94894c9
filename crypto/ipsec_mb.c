#include "crypto/ipsec_mb.h"

#include "crypto/cpu.h"
#include "crypto/imb_engine.h"
#include "crypto/secret.h"

#include <stdio.h>
#include <stdlib.h>

// What is computed, step by step, and where it is laid down:
//
//	expand      AES-256 round keys                                 FIPS 197 §5.2
//	CMAC key    L = AES(0), K1 = 2L, K2 = 4L                       SP 800-38B §6.1
//	IV          first 12 bytes of CMAC(path block | text)          SP 800-38B §6.2; field.h for the message
//	  or        12 bytes of CTR_DRBG                               SP 800-90A §10.2.1 (random.c), 38D §8.2.2
//	GCM key     H = AES(0), and powers of H for GHASH              SP 800-38D §7.1 step 1
//	seal        J0 = IV | 1; C = GCTR(J0 + 1, text);
//	            T = GCTR(J0, GHASH(path | pad | C | pad | sizes))  SP 800-38D §7.1 steps 2-6
//	frame       0x01 | key id | IV | C | T, in base64              Tink's wire format, RFC 4648 §4
//	open        the same backwards, T compared before release      SP 800-38D §7.2
//	derive      AES-CMAC in counter mode                           SP 800-108 §4.1 (engine.h for the message)
//
// A field with keys of its own costs, on a Zen 4 core at 3.7 GHz: CMAC key 23 ns, CMAC of three blocks 36,
// GCM key 70 (AVX2) or 120 (AVX-512), seal of 32 bytes 32, frame 4. So the keys cost more than the data.
//
// The direct calls of ipsec-mb check their arguments and return in silence when one is wrong, which would
// leave text unsealed: nothing that comes here may be NULL, even where there are no bytes.

static IMB_MGR *make_level(enum cpu_level cpu)
{
	IMB_MGR *imb = alloc_mb_mgr(0);

	if (imb == NULL)
		return NULL;
	if (cpu == CPU_AVX512)
		init_mb_mgr_avx512(imb);
	else if (cpu == CPU_AVX2)
		init_mb_mgr_avx2(imb);
	else
		init_mb_mgr_sse(imb);
	return imb;
}

static enum sl_status check_level(enum cpu_level cpu, struct problem *ret_problem)
{
	if (cpu_has(cpu))
		return SL_OK;
	(void)!problem_set(
		ret_problem,
		SL_E_UNSUPPORTED,
		"the CPU or the operating system lacks %s, which the %s level of the cipher needs",
		cpu_missing(cpu),
		cpu_level_name(cpu)
	);
	if (cpu == CPU_SSE)
		problem_remedy(
			ret_problem,
			"run on an x86-64 CPU with AES-NI; in a virtual machine, pass the host's "
			"CPU flags on"
		);
	else
		problem_remedy(
			ret_problem,
			"leave the choice to the program: unset SEALANE_CPU, or set it to auto"
		);
	return SL_E_UNSUPPORTED;
}

/** Make a level unless it is there. NULL: no memory, or ipsec-mb's own self test failed. */
static IMB_MGR *get_level(struct imb_engine *e, enum cpu_level cpu)
{
	const uint64_t tested = IMB_FEATURE_SELF_TEST | IMB_FEATURE_SELF_TEST_PASS;

	if (e->level[cpu] == NULL)
		e->level[cpu] = make_level(cpu);
	if (e->level[cpu] == NULL || (e->level[cpu]->features & tested) == IMB_FEATURE_SELF_TEST)
		return NULL;
	return e->level[cpu];
}

/** Make what there is to choose from: the forced level alone, or the two that are fastest at something. */
static bool make_levels(struct imb_engine *e, enum cpu_level cpu)
{
	enum cpu_level best = cpu == CPU_AUTO ? cpu_best() : cpu;

	if (get_level(e, best) == NULL)
		return false;
	return cpu != CPU_AUTO || best != CPU_AVX512 || get_level(e, CPU_AVX2) != NULL;
}

enum sl_status imb_engine_new(
	enum cpu_level cpu,
	struct imb_engine **ret_engine,
	struct problem *ret_problem
)
{
	struct imb_engine *e;

	SL_TRY(check_level(cpu == CPU_AUTO ? CPU_SSE : cpu, ret_problem));
	e = aligned_alloc(64, (sizeof(*e) + 63) / 64 * 64);
	if (e == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the cipher");
	memset(e, 0, sizeof(*e));
	e->secrets = secret_new(sizeof(*e->secrets));
	if (e->secrets != NULL && make_levels(e, cpu)) {
		imb_choose(e, cpu != CPU_AUTO);
		e->random = random_new(e->cmac);
	}
	if (e->random == NULL) {
		imb_engine_free(e);
		return problem_set(
			ret_problem,
			SL_E_NOMEM,
			"no memory for the cipher, or none that is wiped in a forked process"
		);
	}
	*ret_engine = e;
	return SL_OK;
}

void imb_engine_free(struct imb_engine *e)
{
	if (e == NULL)
		return;
	random_free(e->random);
	secret_free(e->secrets, sizeof(*e->secrets));
	for (unsigned i = 0; i < CPU_LEVEL_COUNT; i++)
		if (e->level[i] != NULL)
			free_mb_mgr(e->level[i]);
	bytes_wipe(&e->context, sizeof(e->context)); // key stream of the last block
	free(e);
}

const char *imb_engine_text(const struct imb_engine *e)
{
	return e->text;
}

struct random *imb_engine_random(struct imb_engine *e)
{
	return e->random;
}
