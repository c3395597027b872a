/* Start-up for QEMU's Arm reference boards: vector table, memory, semihosting. A board's own start-up takes its
 * place. It paints the stack and tells at the end how much of it was used. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern uint32_t data_start[], data_end[], data_load[], bss_start[], bss_end[], stack_bottom[], stack_top[];
extern int main(void);
extern void initialise_monitor_handles(void);

#define PAINT 0xC5C5C5C5u
#ifndef PAINTED
#define PAINTED 8192 /* words */
#endif

void reset(void);

/* Faults end the emulation, so that a test fails instead of hanging. */
static void fault(void)
{
    printf("#fault\n");
    exit(102);
}

union vector {
    const void *stack;
    void (*handler)(void);
};

__attribute__((section(".vectors"), used)) static const union vector vectors[16] = {
    {stack_top}, {.handler = reset}, {.handler = fault}, {.handler = fault}, {.handler = fault},
    {.handler = fault}, {.handler = fault}, {.handler = fault}, {.handler = fault}, {.handler = fault},
    {.handler = fault}, {.handler = fault}, {.handler = fault}, {.handler = fault}, {.handler = fault},
    {.handler = fault},
};

/* What the program used of the stack. */
static void tell(void)
{
    const volatile uint32_t *word = stack_top - PAINTED;
    while (*word == PAINT) {
        word++;
    }
    printf("#stack_bytes %lu\n", (unsigned long)((const volatile uint32_t *)stack_top - word) * 4);
}

static void run(void)
{
    int status;
    initialise_monitor_handles();
    status = main();
    tell();
    fflush(stdout);
    exit(status);
}

void reset(void)
{
    uint32_t *to, *from;
    volatile uint32_t *word;
#ifdef PICOFORMER_FPU
    /* CPACR: full access to CP10 and CP11. */
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20;
    __asm volatile("dsb\n\tisb" ::: "memory");
#endif
    for (from = data_load, to = data_start; to < data_end;) {
        *to++ = *from++;
    }
    for (to = bss_start; to < bss_end;) {
        *to++ = 0;
    }
    for (word = stack_top - PAINTED; word < (uint32_t *)__builtin_frame_address(0) - 16; word++) {
        *word = PAINT;
    }
    run();
}
