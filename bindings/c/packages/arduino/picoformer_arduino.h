// picoformer for Arduino: the C interface, for a core that this library has an archive for.
#ifndef PICOFORMER_ARDUINO_H
#define PICOFORMER_ARDUINO_H

#if defined(__AVR__)
#error "picoformer: no library for AVR"
#elif defined(__XTENSA__)
#error "picoformer: no library for Xtensa (ESP32, ESP32-S2, ESP32-S3)"
#elif defined(__riscv)
#if __riscv_xlen != 32 || !defined(__riscv_mul) || !defined(__riscv_compressed)
#error "picoformer: no library for this RISC-V core, it must be RV32IMC"
#endif
#elif !defined(__ARM_ARCH_6M__) && !defined(__ARM_ARCH_7M__) && !defined(__ARM_ARCH_7EM__) \
    && !defined(__ARM_ARCH_8M_MAIN__) && !defined(__ARM_ARCH_8_1M_MAIN__)
#error "picoformer: no library for this core"
#endif

#include "picoformer.h"

#endif
