/* Writes a tale with models/tales, token by token. Prints it and a hash of every logit, which is the same on every
 * core. */
#include "hash.h"
#include "picoformer.h"
#include "tales.h"
#include <stdio.h>

#define TOKENS 128

static picoformer_model model;
static picoformer_generator generator;
static PICOFORMER_ARENA(arena, TALES_ARENA_BYTES);

static const picoformer_sampling sampling
    = {65536u * 7 / 10, 65536u * 9 / 10, 0, 11, 0}; /* temperature 0.7, top-p 0.9, seed 11 */
static const char prompt[] = "Once upon a time there was a";

static int32_t print(void *context, const char *text, size_t bytes)
{
    (void)context;
    printf("%.*s", (int)bytes, text);
    return 0; /* anything else stops */
}

static int fail(const picoformer_error *error)
{
    char text[128];
    picoformer_error_text(error, text, sizeof text);
    printf("%s\n", text);
    return 1;
}

/* Feeds what was drawn, so that the logits of the next token are there, and hashes them. */
static int32_t add_logits(uint64_t *hash, picoformer_error *error)
{
    const int32_t *logits;
    size_t n;
    int32_t status;
    do {
        status = picoformer_generator_settle(&generator, error);
    } while (status == PICOFORMER_WORKING);
    if (status == PICOFORMER_OK) {
        status = picoformer_generator_logits(&generator, &logits, &n, error);
    }
    if (status == PICOFORMER_OK) {
        *hash = hash_add(*hash, logits, n);
    }
    return status;
}

int main(void)
{
    picoformer_error error;
    uint64_t hash = HASH_OF_NOTHING;
    int tokens = 0;
    int32_t status;

    if (picoformer_parse(&model, tales_blob, sizeof tales_blob, &error) < 0
        || picoformer_generator_init(&generator, &model, arena, sizeof arena, &sampling, &error) < 0
        || picoformer_generator_begin(&generator, prompt, sizeof prompt - 1, &error) < 0
        || add_logits(&hash, &error) < 0) {
        return fail(&error);
    }
    printf("%s", prompt);
    do {
        status = picoformer_generator_step(&generator, print, NULL, &error); /* feed the watchdog here */
        if (status == PICOFORMER_TOKEN) {
            tokens++;
            if (add_logits(&hash, &error) < 0) {
                return fail(&error);
            }
        }
    } while (status == PICOFORMER_WORKING || (status == PICOFORMER_TOKEN && tokens < TOKENS));
    if (status < 0) {
        return fail(&error);
    }
    printf("\n");
    hash_print(hash);
    return 0;
}
