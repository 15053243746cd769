// Sorting, for the stand-in of CuPy's module of Thrust's sorts (thrust.py).
#include <algorithm>
#include <complex>
#include <numeric>

#include "device/machine.h"

using namespace soft;

namespace {

enum How : int { values = 0, indices = 1, keys = 2 };
struct Job {
    How how;
    u64* order;
    void* data;
    u64 rows, length;
};

// NaN is larger than every number; complex numbers go by their real part first
template <class T>
bool before(const T& a, const T& b) {
    if constexpr (is_float<T>) {
        const auto x = static_cast<std::conditional_t<sizeof(T) == 2, float, T>>(a),
                   y = static_cast<decltype(x)>(b);
        return x < y || (y != y && x == x);
    } else {
        return a < b;
    }
}
template <class F>
bool before(const std::complex<F>& a, const std::complex<F>& b) {
    const bool a_nan = a != a, b_nan = b != b;
    if (a_nan || b_nan) return !a_nan && b_nan;
    return a.real() != b.real() ? a.real() < b.real() : a.imag() < b.imag();
}

template <class T>
void sort(const Job& job) {
    T* data = static_cast<T*>(job.data);
    if (job.how == keys) {  // rows are keys, the last one counts most
        std::iota(job.order, job.order + job.length, 0);
        for (u64 row = 0; row < job.rows; row++, data += job.length)
            std::stable_sort(job.order, job.order + job.length,
                             [data](u64 a, u64 b) { return before(data[a], data[b]); });
        return;
    }
    for (u64 row = 0; row < job.rows; row++, data += job.length) {
        if (job.how == values) {
            std::stable_sort(data, data + job.length, [](const T& a, const T& b) { return before(a, b); });
        } else {
            u64* order = job.order + row * job.length;
            std::iota(order, order + job.length, 0);
            std::stable_sort(order, order + job.length,
                             [data](u64 a, u64 b) { return before(data[a], data[b]); });
        }
    }
}

using Sort = void (*)(const Job&);
Sort sort_of(char kind, int bytes) {  // as NumPy names dtypes: 'f' and 4
    switch (kind) {
        case 'b':
        case 'u': return bytes == 1 ? sort<u8> : bytes == 2 ? sort<u16> : bytes == 4 ? sort<u32> : sort<u64>;
        case 'i': return bytes == 1 ? sort<s8> : bytes == 2 ? sort<s16> : bytes == 4 ? sort<s32> : sort<s64>;
        case 'f': return bytes == 2 ? sort<Half> : bytes == 4 ? sort<float> : sort<double>;
        case 'c': return bytes == 8 ? sort<std::complex<float>> : sort<std::complex<double>>;
        default: return nullptr;
    }
}

}  // namespace

EXPORT int soft_sort(char kind, int bytes, int how, void* order, void* data, u64 rows, u64 length,
                     void* stream_handle) {
    const Locked locked(lock);
    const Sort sort = sort_of(kind, bytes);
    if (!sort) return problem(not_supported, "there is no order of such numbers");
    const StreamPointer stream = stream_of(stream_handle);
    if (!stream) return invalid_handle;
    if (settings.null) return success;
    return enqueue(stream,
                   [=] { sort({static_cast<How>(how), static_cast<u64*>(order), data, rows, length}); });
}
