/* A program with two Rust libraries, and the C library's own functions of memory. */
#include "picoformer.h"
#include <stdio.h>
#include <string.h>

uint64_t second(uint64_t a, uint64_t b, unsigned char *to, const unsigned char *from);

int main(void)
{
    static unsigned char a[100], b[100];
    static picoformer_model model;
    picoformer_error error;
    volatile uint64_t big = 1000000007u;
    memset(a, 3, sizeof a);
    printf("%u %u\n", (unsigned)second(big * big, big, b, a), (unsigned)(big * 3 / 7));
    return picoformer_parse(&model, a, sizeof a, &error) != PICOFORMER_ERROR_BLOB_TOO_SHORT || b[5] != a[5];
}
