/* A blob and an arena at any offset, on a core that faults at every misaligned load: a message says by how many
 * bytes, or the answer is right. The offset and the blob are where the emulator's loader put them. */
#include "hash.h"
#include "picoformer.h"
#include <stdio.h>
#include <string.h>

static picoformer_model model;
static picoformer_motion motion;
static unsigned char memory[MOTION_ARENA_BYTES + 32];

int main(void)
{
    const unsigned char *blob = (const unsigned char *)BLOB;
    const uint32_t offset = *(const volatile uint32_t *)(BLOB - 16);
    picoformer_error error;
    picoformer_answer answer;
    const int32_t *logits;
    uint64_t hash = HASH_OF_NOTHING;
    size_t n, i;
    int32_t status = picoformer_parse(&model, blob + offset, MOTION_BLOB_BYTES, &error);
    if (offset % 4 != 0) {
        char text[100];
        picoformer_error_text(&error, text, sizeof text);
        printf("blob %u: %s\n", (unsigned)offset, text);
        return status != PICOFORMER_ERROR_BLOB_MISALIGNED || error.given != offset % 4;
    }
    if (status != PICOFORMER_OK) {
        printf("blob %u: status %d\n", (unsigned)offset, (int)status);
        return 1;
    }
    for (i = 0; i < 16; i++) {
        unsigned char *arena = (unsigned char *)(((uintptr_t)memory + 15) / 16 * 16) + i;
        status = picoformer_motion_init(&motion, &model, arena, MOTION_ARENA_BYTES, &error);
        if (i % 4 != 0) {
            if (status != PICOFORMER_ERROR_ARENA_MISALIGNED || error.given != i % 4) {
                printf("arena %u: status %d\n", (unsigned)i, (int)status);
                return 1;
            }
        } else if (status != PICOFORMER_OK) {
            printf("arena %u: status %d\n", (unsigned)i, (int)status);
            return 1;
        } else if (i == 12) {
            if (picoformer_motion_classify(&motion, &answer, &error) != PICOFORMER_OK
                || picoformer_motion_outputs(&motion, &logits, &n, &error) != PICOFORMER_OK) {
                printf("arena %u: status %d\n", (unsigned)i, (int)error.status);
                return 1;
            }
            hash = hash_add(hash, logits, n);
        }
    }
    hash_print(hash);
    return 0;
}
