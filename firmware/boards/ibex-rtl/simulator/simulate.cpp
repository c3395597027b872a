// Runs an image on Ibex and types into its shell:
//
//   simulate FILE WAIT_STATES COMMAND ...
//
// FILE is what lies in flash from 0x80000080 on. Prints what the shell writes and, on stderr, `#cycles
// CYCLES INSTRUCTIONS` for each command: those from its last key to the next prompt. Flash answers a fetch
// or a load after so many wait states, RAM after none; both ports of the core reach flash at once.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr uint32_t kFlash = 0x80000000, kRam = 0x81000000, kBytes = 4 << 20, kImage = 0x80;
constexpr uint32_t kPort = 0x20000000, kNoKey = ~0u;
constexpr uint64_t kMostCycles = 20000000000;

std::vector<uint8_t> flash(kBytes), ram(kBytes);

uint8_t *memory(uint32_t address) {
  if (address - kFlash < kBytes) return &flash[address - kFlash];
  if (address - kRam < kBytes) return &ram[address - kRam];
  std::fprintf(stderr, "access to %08x\n", address);
  std::exit(1);
}

bool in_flash(uint32_t address) { return address - kFlash < kBytes; }

uint32_t load(uint32_t address) {
  uint32_t word;
  std::memcpy(&word, memory(address & ~3u), 4);
  return word;
}

// A port of the core: one request under way, answered after its wait states.
struct Port {
  bool busy = false;
  unsigned wait = 0;
  uint32_t word = 0;

  bool answers() const { return busy && wait == 0; }
  bool takes() const { return !busy || wait == 0; }
  void step() {
    if (answers()) busy = false;
    else if (busy) wait--;
  }
  void begin(uint32_t answer, unsigned wait_states) {
    busy = true;
    word = answer;
    wait = wait_states;
  }
};

// The terminal: types the commands, one at each prompt.
struct Terminal {
  std::vector<std::string> commands;
  size_t next = 0;
  std::string line, typed;
  size_t key = 0;
  uint64_t cycles = 0, instructions = 0;
  bool ended = false;

  uint32_t read(uint64_t now, uint64_t retired) {
    if (key == typed.size()) return kNoKey;
    uint8_t byte = typed[key++];
    if (key == typed.size()) cycles = now, instructions = retired;
    return byte;
  }

  void write(uint8_t byte, uint64_t now, uint64_t retired) {
    std::putchar(byte);
    line = byte == '\n' ? std::string() : line + char(byte);
    if (line != "> " || key != typed.size()) return;
    if (next > 0) {
      std::fprintf(stderr, "#cycles %llu %llu\n", (unsigned long long)(now - cycles),
                   (unsigned long long)(retired - instructions));
    }
    ended = next == commands.size();
    if (!ended) typed = commands[next++] + "\r", key = 0;
  }
};

}  // namespace

int main(int count, char **words) {
  if (count < 3) return std::fprintf(stderr, "simulate FILE WAIT_STATES COMMAND ...\n"), 2;
  std::FILE *file = std::fopen(words[1], "rb");
  if (!file) return std::perror(words[1]), 1;
  if (std::fread(&flash[kImage], 1, kBytes - kImage, file) == 0) return 1;
  std::fclose(file);
  const unsigned wait_states = std::atoi(words[2]);
  Terminal terminal;
  terminal.commands.assign(words + 3, words + count);

  Vtop core;
  Port instruction, data;
  uint64_t retired = 0;
  core.clk_i = 0;
  for (uint64_t now = 0; !terminal.ended; now++) {
    if (now == kMostCycles) return std::fprintf(stderr, "no prompt\n"), 1;
    core.rst_ni = now >= 4;
    core.instr_rvalid_i = instruction.answers();
    core.instr_rdata_i = instruction.word;
    core.data_rvalid_i = data.answers();
    core.data_rdata_i = data.word;
    core.eval();
    core.instr_gnt_i = core.instr_req_o && instruction.takes();
    core.data_gnt_i = core.data_req_o && data.takes();
    core.eval();
    const bool fetches = core.rst_ni && core.instr_gnt_i, accesses = core.rst_ni && core.data_gnt_i;
    const uint32_t fetched = core.instr_addr_o, address = core.data_addr_o;
    retired += core.rst_ni && core.retired_o;
    instruction.step();
    data.step();
    if (fetches) instruction.begin(load(fetched), in_flash(fetched) ? wait_states : 0);
    if (accesses && (address & ~3u) == kPort) {
      if (core.data_we_o) terminal.write(core.data_wdata_o, now, retired);
      data.begin(core.data_we_o ? 0 : terminal.read(now, retired), 0);
    } else if (accesses) {
      data.begin(load(address), in_flash(address) ? wait_states : 0);
      for (int lane = 0; core.data_we_o && lane < 4; lane++) {
        if (core.data_be_o >> lane & 1) {
          *memory((address & ~3u) + lane) = core.data_wdata_o >> 8 * lane;
        }
      }
    }
    core.clk_i = 1;
    core.eval();
    core.clk_i = 0;
    core.eval();
  }
  return 0;
}
