/* FNV-1a, 64 bits, over the logits: two runs with the same hash computed the same. */
#ifndef HASH_H
#define HASH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HASH_OF_NOTHING UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_add(uint64_t hash, const int32_t *logits, size_t n)
{
    size_t i;
    int shift;
    for (i = 0; i < n; i++) {
        for (shift = 0; shift < 32; shift += 8) {
            hash = (hash ^ (((uint32_t)logits[i] >> shift) & 0xFFu)) * UINT64_C(0x100000001b3);
        }
    }
    return hash;
}

static inline void hash_print(uint64_t hash)
{
    printf("logits %08lx%08lx\n", (unsigned long)(hash >> 32), (unsigned long)(hash & 0xFFFFFFFFu));
}

#endif
