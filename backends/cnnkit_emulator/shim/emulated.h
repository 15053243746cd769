// What a kernel's code calls, and runtime.cpp does: who the running thread is, barriers, exchanges, shared
// memory. Light on purpose: every .cu file is compiled with it.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct uint3 { unsigned x, y, z; };
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
static constexpr int warpSize = 32;

namespace emu {

unsigned lane();
void block_barrier(const char* site);
int block_sum(int value, const char* site);                      // of all threads' values, after a barrier
void warp_barrier(unsigned mask, const char* site);
uint64_t exchange(unsigned mask, uint64_t value, unsigned lane, const char* site);
unsigned ballot(unsigned mask, bool vote, const char* site);
void* shared(size_t size, const char* site);                     // one declaration's memory
void* dynamic_shared();                                          // what the launch asks for
void together(void (*all)(void* const* given), void* mine, const char* site);  // of a whole warp, once
void copy_async(void* to, const void* from, bool valid);
void copies_commit();
void copies_wait(size_t but);
void atomic(const void* address, size_t size, void* caller);     // announced to the tracer
void fence();                                                    // this too

// -- the table of kernels that each library has; table.h makes it --
using Runner = void (*)(void** arguments);
struct Entry { const char* name; Runner run; size_t (*size)(unsigned); };
extern const Entry table[];

}  // namespace emu
