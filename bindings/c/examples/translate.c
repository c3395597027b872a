/* Pronounces words with models/g2p, an encoder-decoder: greedily, then with the beam that the blob asks for. Prints
 * the phonemes and a hash of every logit, which is the same on every core. */
#include "g2p.h"
#include "hash.h"
#include "picoformer.h"
#include <stdio.h>

static picoformer_model model;
static picoformer_translator translator;
static PICOFORMER_ARENA(arena, G2P_ARENA_BYTES);

static const char *const words[] = {"hello", "transformer", "microcontroller", "pronunciation"};
static const char *const refused[] = {"", "mp3", "pneumonoultramicroscopicsilicovolcanoconiosis"};

static int32_t print(void *context, const char *text, size_t bytes)
{
    (void)context;
    printf("%.*s", (int)bytes, text);
    return 0;
}

static int fail(const picoformer_error *error)
{
    char text[128];
    picoformer_error_text(error, text, sizeof text);
    printf("%s\n", text);
    return 1;
}

/* picoformer_translate does the same in one call. */
static int32_t pronounce(const char *word, uint64_t *hash, picoformer_error *error)
{
    int32_t status = picoformer_translator_begin(&translator, word, PICOFORMER_NUL_TERMINATED, error);
    while (status == PICOFORMER_WORKING) {
        int32_t part = picoformer_translator_part(&translator, error);
        status = picoformer_translator_step(&translator, error); /* feed the watchdog here */
        if (part == PICOFORMER_PART_HEAD) {
            const int32_t *logits;
            size_t n;
            if (picoformer_translator_logits(&translator, &logits, &n, error) < 0) {
                return error->status;
            }
            *hash = hash_add(*hash, logits, n);
        }
    }
    return status < 0 ? status : picoformer_translator_write(&translator, print, NULL, NULL, error);
}

int main(void)
{
    static const uint32_t beams[] = {1, 4};
    static const char *const names[] = {"greedy", "beam"};
    picoformer_error error;
    uint64_t hash = HASH_OF_NOTHING;
    size_t pass, i;

    for (pass = 0; pass < 2; pass++) {
        if (picoformer_parse(&model, g2p_blob, sizeof g2p_blob, &error) < 0
            || picoformer_model_set_beams(&model, beams[pass], &error) < 0
            || picoformer_translator_init(&translator, &model, arena, sizeof arena, &error) < 0) {
            return fail(&error);
        }
        for (i = 0; i < sizeof words / sizeof words[0]; i++) {
            printf("%s: %s ", names[pass], words[i]);
            if (pronounce(words[i], &hash, &error) < 0) {
                return fail(&error);
            }
            printf("\n");
        }
    }
    for (i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (picoformer_translator_begin(&translator, refused[i], PICOFORMER_NUL_TERMINATED, NULL) >= 0) {
            printf("`%s` is no word, but was taken\n", refused[i]);
            return 1;
        }
    }
    hash_print(hash);
    return 0;
}
