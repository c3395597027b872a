/* The header as each standard of C and C++ reads it, whatever the size of an enum. */
#include "picoformer.h"

enum small { SMALL };

/* Sizes and offsets do not depend on options of the compiler. */
#define SAME(name, condition) typedef char name[(condition) ? 1 : -1]
SAME(error_is_60_bytes, sizeof(picoformer_error) == 60);
SAME(bill_is_72_bytes, sizeof(picoformer_bill) == 72);
SAME(sampling_is_20_bytes, sizeof(picoformer_sampling) == 20);
/* On 64 bits with padding behind. */
SAME(answer_is_two_words_and_12, sizeof(picoformer_answer) == (2 * sizeof(void *) + 12 + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *));
SAME(translation_is_16_bytes, sizeof(picoformer_translation) == 16);
#ifdef SHORT_ENUMS
SAME(an_enum_is_a_byte, sizeof(enum small) == 1);
#else
SAME(an_enum_is_an_int, sizeof(enum small) == sizeof(int));
#endif

picoformer_model model;
PICOFORMER_ARENA(arena, 100);

int32_t use(picoformer_classifier *classifier, picoformer_answer *answer);
int32_t use(picoformer_classifier *classifier, picoformer_answer *answer)
{
    const picoformer_sampling sampling = {PICOFORMER_Q16(0.5), PICOFORMER_Q16(1.0), 0, 1, 0};
    (void)sampling;
    return picoformer_classify(classifier, "hello", PICOFORMER_NUL_TERMINATED, answer, NULL);
}
