/* Finds what sentences want, with models/intent. Prints the labels and a hash of every logit, which is the same
 * on every core. */
#include "hash.h"
#include "intent.h"
#include "picoformer.h"
#include <stdio.h>

static picoformer_model model;
static picoformer_classifier classifier;
static PICOFORMER_ARENA(arena, INTENT_ARENA_BYTES);

static const char *const sentences[] = {
    "please set a timer for ten minutes",
    "how do you say thank you in italian",
    "what is the exchange rate between dollars and euros",
    "my credit card was stolen yesterday",
    "wake me up at seven",
    "how tall is mount everest",
};

static int fail(const picoformer_error *error)
{
    char text[128];
    picoformer_error_text(error, text, sizeof text);
    printf("%s\n", text);
    return 1;
}

int main(void)
{
    picoformer_error error;
    picoformer_answer answer;
    uint64_t hash = HASH_OF_NOTHING;
    size_t i;

    if (picoformer_parse(&model, intent_blob, sizeof intent_blob, &error) < 0
        || picoformer_classifier_init(&classifier, &model, arena, sizeof arena, &error) < 0) {
        return fail(&error);
    }
    for (i = 0; i < sizeof sentences / sizeof sentences[0]; i++) {
        const int32_t *logits;
        size_t n;
        /* picoformer_classify does the same in one call. */
        int32_t status
            = picoformer_classifier_begin(&classifier, sentences[i], PICOFORMER_NUL_TERMINATED, &error);
        while (status == PICOFORMER_WORKING) {
            status = picoformer_classifier_step(&classifier, &error); /* feed the watchdog here */
        }
        if (status < 0 || picoformer_classifier_answer(&classifier, &answer, &error) < 0
            || picoformer_classifier_outputs(&classifier, &logits, &n, &error) < 0) {
            return fail(&error);
        }
        hash = hash_add(hash, logits, n);
        printf("%s: %s%.*s\n", sentences[i], answer.in_scope ? "" : "none of these; the nearest is ",
            (int)answer.name_bytes, answer.name);
    }
    hash_print(hash);
    return 0;
}
