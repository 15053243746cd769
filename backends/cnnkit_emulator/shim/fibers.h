// A fiber: a stack of its own, and a switch to it and back. Written by hand for x86-64, ucontext elsewhere.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#if defined(__x86_64__) && defined(__linux__)

// Saves what the calling convention says a function must keep, and the stack pointer; then goes on
// where `to` stopped.
extern "C" void emu_switch(void** from, void* to);
asm(R"(
.text
.p2align 4
.local emu_switch
.type emu_switch, @function
emu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emu_switch, .-emu_switch
)");

namespace emu {

struct Fiber {
    void* stack_pointer = nullptr;

    void prepare(char* stack, size_t size, void (*entry)()) {
        auto top = reinterpret_cast<void**>((reinterpret_cast<uintptr_t>(stack) + size) & ~uintptr_t(15));
        top[-1] = nullptr;                            // entry never returns
        top[-2] = reinterpret_cast<void*>(entry);     // where `ret` goes
        for (int i = 3; i <= 8; i++) top[-i] = nullptr;  // six registers
        stack_pointer = top - 8;
    }
    static void go(Fiber& from, Fiber& to) { emu_switch(&from.stack_pointer, to.stack_pointer); }
};

}  // namespace emu

#else
#include <ucontext.h>

namespace emu {

struct Fiber {
    ucontext_t context;

    void prepare(char* stack, size_t size, void (*entry)()) {
        getcontext(&context);
        context.uc_stack.ss_sp = stack;
        context.uc_stack.ss_size = size;
        context.uc_link = nullptr;
        makecontext(&context, entry, 0);
    }
    static void go(Fiber& from, Fiber& to) { swapcontext(&from.context, &to.context); }
};

}  // namespace emu

#endif
