// A number that tells whether the numbers of arrays have changed: parameters, of which something was made
// that is kept.
#pragma once

#include <vector>

#include "core/parallel.h"
#include "interface.h"

struct Digest {
    typedef uint32_t Words __attribute__((vector_size(BYTES)));
    typedef uint32_t AnyWords __attribute__((vector_size(BYTES), aligned(1), may_alias));
    static constexpr int STATES = 8;  // that do not wait for each other
    static constexpr uint32_t FACTOR = 0x9e3779b1;
    Words state[STATES] = {};

    // One to one for each state: whatever word changes alone, the state becomes another.
    static Words mixed(Words state, Words words) {
        state = (state ^ words) * FACTOR;
        return state ^ (state >> 15);
    }
    void add(const uint8_t* from, long bytes) {
        for (; bytes >= STATES * BYTES; bytes -= STATES * BYTES, from += STATES * BYTES)
            for (int i = 0; i < STATES; i++)
                state[i] = mixed(state[i], *reinterpret_cast<const AnyWords*>(from + i * BYTES));
        for (int i = 0; bytes > 0; bytes -= BYTES, from += BYTES, i++) {
            Words words{};
            std::memcpy(&words, from, bytes < BYTES ? bytes : BYTES);
            state[i] = mixed(state[i], words);
        }
    }
    static uint64_t joined(uint64_t all, uint64_t word) {
        all = (all ^ word) * 0x9e3779b97f4a7c15;
        return all ^ (all >> 29);
    }
    uint64_t total() const {
        uint64_t all = 0;
        for (const Words& words : state)
            for (int l = 0; l < W; l += 2)
                all = joined(all, static_cast<uint64_t>(words[l]) << 32 | words[l + 1]);
        return all;
    }
};

// Of `arrays` arrays of so many bytes each. A task takes a part of their bytes, as if they lay one behind the
// other.
EXPORT int64_t fingerprint(int threads, long arrays, const long* sizes, const uint8_t* const* from) {
    constexpr long PART = 128L << 10;
    long bytes = 0;
    std::vector<long> begin;
    for (long n = 0; n < arrays; bytes += sizes[n++]) begin.push_back(bytes);
    const long parts = (bytes + PART - 1) / PART;
    std::vector<uint64_t> totals(parts);
    parallel(threads, parts, [&](long part, int) {
        Digest digest;
        const long first = part * PART, end = first + PART < bytes ? first + PART : bytes;
        for (long n = 0; n < arrays && begin[n] < end; n++) {
            const long skipped = begin[n] < first ? first - begin[n] : 0;
            const long stop = begin[n] + sizes[n] < end ? sizes[n] : end - begin[n];
            if (stop > skipped) digest.add(from[n] + skipped, stop - skipped);
        }
        totals[part] = digest.total();
    });
    uint64_t all = 0;
    for (const uint64_t total : totals) all = Digest::joined(all, total);
    return static_cast<int64_t>(all);
}
