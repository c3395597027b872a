/* How long each call keeps the core, and a watchdog of that length: SysTick, which the start-up file lets end the run.
 * It is fed before every call. LONGEST(MODEL) is its length in instructions, TICKS(n) the timer's ticks in n of them; the
 * lines tell the longest call of each kind, in ticks. The texts fill the contexts. On RISC-V a tick is an instruction, and
 * there is no watchdog. */
#include "digits.h"
#include "g2p.h"
#include "intent.h"
#include "motion.h"
#include "picoformer.h"
#include "slots.h"
#include "tales.h"
#include <stdio.h>
#include <string.h>

#ifdef __riscv
static uint32_t fed;

static uint32_t instructions(void)
{
    register uint32_t n __asm__("a0");
    __asm__ volatile(".word 0xb0202573" : "=r"(n)); /* csrr a0, minstret: the -march that libraries exist for lacks Zicsr */
    return n;
}

static void feed(void)
{
    fed = instructions();
}

static uint32_t since(void)
{
    return instructions() - fed;
}

static void on(uint64_t ticks_at_most)
{
    (void)ticks_at_most;
}

static void pause(void) {}
static void resume(void) {}
#else
#define CONTROL (*(volatile uint32_t *)0xE000E010)
#define RELOAD (*(volatile uint32_t *)0xE000E014)
#define CURRENT (*(volatile uint32_t *)0xE000E018)

static uint32_t watchdog;

static void feed(void)
{
    CURRENT = 0; /* the next tick loads RELOAD */
}

static uint32_t since(void)
{
    uint32_t left = CURRENT;
    return left == 0 ? 0 : watchdog - left;
}

static void pause(void)
{
    CONTROL = 0;
}

static void resume(void)
{
    CONTROL = 7; /* core clock, interrupt, on */
}

static void on(uint64_t ticks_at_most)
{
    watchdog = ticks_at_most > 0xFFFFFFu ? 0xFFFFFFu : (uint32_t)ticks_at_most;
    RELOAD = watchdog;
    CURRENT = 0;
    resume();
}
#endif

struct longest {
    const char *call;
    uint32_t ticks;
};
static struct longest parse = {"parse", 0}, check = {"check_step", 0}, open = {"open", 0}, begin = {"begin", 0},
                      step = {"step", 0}, finish = {"answer", 0};

/* A call, timed, with the watchdog fed before it. */
#define TIMED(longest, status, call) \
    do { \
        uint32_t ticks; \
        feed(); \
        status = (call); \
        ticks = since(); \
        feed(); \
        if (ticks > (longest).ticks) { \
            (longest).ticks = ticks; \
        } \
        if (status < 0) { \
            return fail(#call); \
        } \
    } while (0)

static picoformer_model model;
static picoformer_error error;
static PICOFORMER_ARENA(arena, TALES_ARENA_BYTES + G2P_ARENA_BYTES);
static char text[2048];

static int fail(const char *call)
{
    pause();
    picoformer_error_text(&error, text, sizeof text);
    printf("%s: %s\n", call, text);
    return 1;
}

static int tell(const char *name)
{
    struct longest *all[] = {&parse, &check, &open, &begin, &step, &finish};
    size_t i;
    pause(); /* printing is nobody's business */
    for (i = 0; i < sizeof all / sizeof all[0]; i++) {
        printf("%s %s %lu\n", name, all[i]->call, (unsigned long)all[i]->ticks);
        all[i]->ticks = 0;
    }
    return 0;
}

static int read_blob(const unsigned char *blob, size_t bytes, uint64_t ticks_at_most)
{
    int32_t status;
    on(ticks_at_most);
    TIMED(parse, status, picoformer_parse(&model, blob, bytes, &error));
    do {
        TIMED(check, status, picoformer_model_check_step(&model, 4096, &error));
    } while (status == PICOFORMER_WORKING);
    return 0;
}

/* Words of which the vocabularies have only pieces: most work for the tokenizer. */
static size_t fill(const char *word, size_t words)
{
    size_t n = strlen(word), i;
    for (i = 0; i < words; i++) {
        memcpy(text + i * n, word, n);
    }
    return words * n;
}

static int classify(const char *name, const unsigned char *blob, size_t bytes, uint64_t ticks_at_most, int tags)
{
    static picoformer_classifier classifier;
    picoformer_answer answer;
    uint32_t token, row = 0;
    size_t words = 64, n = fill("jinx ", words);
    int32_t status;
    if (read_blob(blob, bytes, ticks_at_most) != 0) {
        return 1;
    }
    TIMED(open, status, picoformer_classifier_init(&classifier, &model, arena, sizeof arena, &error));
    pause(); /* texts that are too long are not measured */
    while (picoformer_classifier_begin(&classifier, text, n, &error) < 0 && words > 0) {
        n = --words * 5;
    }
    resume();
    TIMED(begin, status, picoformer_classifier_begin(&classifier, text, n, &error));
    while (status == PICOFORMER_WORKING) {
        TIMED(step, status, picoformer_classifier_step(&classifier, &error));
    }
    if (!tags) {
        TIMED(finish, status, picoformer_classifier_answer(&classifier, &answer, &error));
    }
    while (tags) {
        TIMED(finish, status, picoformer_classifier_tag(&classifier, row++, &token, &answer, &error));
        if (status != PICOFORMER_WORKING) {
            break;
        }
    }
    return tell(name);
}

static int32_t forget(void *context, const char *piece, size_t bytes)
{
    (void)context, (void)piece, (void)bytes;
    return 0;
}

static int generate(void)
{
    static picoformer_generator generator;
    static const picoformer_sampling sampling = {65536u * 7 / 10, 65536u * 9 / 10, 40, 11, 0};
    size_t words = 100, n = fill("Rumpelstilt ", words);
    int32_t status;
    if (read_blob(tales_blob, sizeof tales_blob, TICKS(LONGEST(TALES))) != 0) {
        return 1;
    }
    TIMED(open, status, picoformer_generator_init(&generator, &model, arena, sizeof arena, &sampling, &error));
    pause();
    while (picoformer_generator_begin(&generator, text, n, &error) < 0 && words > 0) {
        n = --words * 12;
    }
    words -= words > 4 ? 4 : 0; /* room for an answer */
    n = words * 12;
    resume();
    TIMED(begin, status, picoformer_generator_begin(&generator, text, n, &error));
    do {
        TIMED(step, status, picoformer_generator_step(&generator, forget, NULL, &error));
    } while (status == PICOFORMER_WORKING || status == PICOFORMER_TOKEN);
    return tell("tales");
}

static int translate(void)
{
    static picoformer_translator translator;
    picoformer_translation found;
    int32_t status;
    if (read_blob(g2p_blob, sizeof g2p_blob, TICKS(LONGEST(G2P))) != 0) {
        return 1;
    }
    TIMED(open, status, picoformer_translator_init(&translator, &model, arena, sizeof arena, &error));
    TIMED(begin, status, picoformer_translator_begin(&translator, "antidisestablishmentarianisms", 29, &error));
    while (status == PICOFORMER_WORKING) {
        TIMED(step, status, picoformer_translator_step(&translator, &error));
    }
    TIMED(finish, status, picoformer_translator_write(&translator, forget, NULL, &found, &error));
    return tell("g2p");
}

static int16_t samples[16000];

static int listen(void)
{
    static picoformer_listener listener;
    picoformer_answer answer;
    uint32_t noise = 1;
    size_t i, j;
    int32_t status;
    for (i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        noise = noise * 1664525u + 1013904223u;
        samples[i] = (int16_t)(noise >> 18);
    }
    if (read_blob(digits_blob, sizeof digits_blob, TICKS(LONGEST(DIGITS))) != 0) {
        return 1;
    }
    TIMED(open, status, picoformer_listener_init(&listener, &model, arena, sizeof arena, &error));
    for (j = 0; j < sizeof samples / sizeof samples[0]; j += 80) {
        TIMED(begin, status, picoformer_listener_feed(&listener, samples + j, 80, &error));
    }
    TIMED(begin, status, picoformer_listener_begin(&listener, &error));
    while (status == PICOFORMER_WORKING) {
        TIMED(step, status, picoformer_listener_step(&listener, &error));
    }
    TIMED(finish, status, picoformer_listener_answer(&listener, &answer, &error));
    return tell("digits");
}

static int move(void)
{
    static picoformer_motion motion;
    picoformer_answer answer;
    picoformer_bill bill;
    size_t j;
    int32_t status;
    if (read_blob(motion_blob, sizeof motion_blob, TICKS(LONGEST(MOTION))) != 0) {
        return 1;
    }
    TIMED(finish, status, picoformer_model_bill(&model, &bill, &error));
    TIMED(open, status, picoformer_motion_init(&motion, &model, arena, sizeof arena, &error));
    for (j = 0; j + bill.channels <= sizeof samples / sizeof samples[0]; j += bill.channels) {
        TIMED(begin, status, picoformer_motion_feed(&motion, samples + j, bill.channels, &error));
    }
    TIMED(begin, status, picoformer_motion_begin(&motion, &error));
    while (status == PICOFORMER_WORKING) {
        TIMED(step, status, picoformer_motion_step(&motion, &error));
    }
    TIMED(finish, status, picoformer_motion_answer(&motion, &answer, &error));
    return tell("motion");
}

int main(void)
{
    if (classify("intent", intent_blob, sizeof intent_blob, TICKS(LONGEST(INTENT)), 0)
        || classify("slots", slots_blob, sizeof slots_blob, TICKS(LONGEST(SLOTS)), 1)
        || generate() || translate() || listen() || move()) {
        return 1;
    }
    printf("all well\n");
    return 0;
}
