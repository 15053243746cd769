// How runtime.cpp gets at a kernel's parameters; included after the .cu file, before the table of its
// kernels.
#pragma once
#include <type_traits>
#include <utility>

namespace emu {

template <class... A, size_t... I>
__attribute__((no_sanitize("thread"))) void call(void (*kernel)(A...), void** arguments,
                                                 std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_reference_t<A>*>(arguments[I])...);
}

template <auto kernel> struct Run;
template <class... A, void (*kernel)(A...)> struct Run<kernel> {
    static void run(void** arguments) { call(kernel, arguments, std::index_sequence_for<A...>()); }
    static size_t size(unsigned i) {
        size_t sizes[] = {sizeof(A)..., 0};
        return i < sizeof...(A) ? sizes[i] : 0;
    }
};

}  // namespace emu
