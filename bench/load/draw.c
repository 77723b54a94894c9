#include "bench/load/draw.h"

#include "bench/load/random.h"

#include <math.h>
#include <stdlib.h>

// Zipf by rejection-inversion (Hörmann and Derflinger, 1996): numbers of any range in constant time and no memory. H is the
// integral of the density h(x) = x^-s, written with expm1 and log1p so that s = 1 is no special case.

enum {
	DRAWS_MIN = 1 << 20,
	DRAWS_MAX = 1 << 24
};

static const uint64_t stride =
	2654435761; // a prime above all numbers of subjects, so a factor of none

struct zipf {
	double s;
	double h_first; // H(1.5) - 1
	double h_last;  // H(count + 0.5)
	double sure;    // a candidate so near needs no further look
	uint32_t count;
};

static double expm1_by(double x)
{
	return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2;
}

static double log1p_by(double x)
{
	return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x / 2;
}

static double density(const struct zipf *z, double x)
{
	return exp(-z->s * log(x));
}

static double integral(const struct zipf *z, double x)
{
	return expm1_by((1 - z->s) * log(x)) * log(x);
}

static double integral_inverse(const struct zipf *z, double y)
{
	double t = y * (1 - z->s);

	return exp(log1p_by(t < -1 ? -1 : t) * y);
}

static struct zipf zipf_of(double exponent, uint32_t count)
{
	struct zipf z = {.s = exponent, .count = count};

	z.h_first = integral(&z, 1.5) - 1;
	z.h_last = integral(&z, count + 0.5);
	z.sure = 2 - integral_inverse(&z, integral(&z, 2.5) - density(&z, 2));
	return z;
}

static uint32_t zipf_next(const struct zipf *z, uint64_t *state)
{
	for (;;) {
		double u = z->h_last + random_unit(state) * (z->h_first - z->h_last);
		double x = integral_inverse(z, u);
		double k = floor(x + 0.5);

		k = k < 1 ? 1 : k > z->count ? z->count : k;
		if (k - x <= z->sure || u >= integral(z, k + 0.5) - density(z, k))
			return (uint32_t)k - 1;
	}
}

/** Draws enough that most subjects come by, at random. */
static uint32_t draws_for(enum draw_kind kind, uint32_t subject_count)
{
	if (kind == DRAW_EACH)
		return subject_count;
	if (subject_count < DRAWS_MIN / 4)
		return DRAWS_MIN;
	return subject_count > DRAWS_MAX / 4 ? DRAWS_MAX : subject_count * 4;
}

enum sl_status draw_init(
	struct draw *draw,
	enum draw_kind kind,
	double exponent,
	uint32_t subject_count,
	uint64_t seed
)
{
	const uint32_t count = draws_for(kind, subject_count);
	struct zipf zipf = zipf_of(kind == DRAW_ZIPF ? exponent : 1, subject_count);

	*draw = (struct draw){0};
	if (subject_count == 0 || subject_count > DRAW_COUNT_MAX)
		return SL_E_INVALID;
	draw->subject = malloc(count * sizeof(*draw->subject));
	if (draw->subject == NULL)
		return SL_E_NOMEM;
	draw->count = count;
	for (uint32_t i = 0; i < count; i++) {
		if (kind == DRAW_EACH)
			draw->subject[i] = (uint32_t)(i * stride % subject_count);
		else if (kind == DRAW_ZIPF)
			draw->subject[i] = zipf_next(&zipf, &seed);
		else
			draw->subject[i] = random_below(&seed, subject_count);
	}
	return SL_OK;
}

void draw_done(struct draw *draw)
{
	free(draw->subject);
	*draw = (struct draw){0};
}
