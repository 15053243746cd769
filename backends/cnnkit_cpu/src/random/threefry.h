// Random bits by Threefry-2x32-20 (Salmon et al. 2011), and dropout drawn from them on the way: a counter for
// every two elements, so that any thread can draw any part.
#pragma once

#include "core/parallel.h"
#include "interface.h"

static const uint32_t PARITY = 0x1BD11BDA;

// Words 2 * first ... of the stream, `count` of them (even), through write(position, word).
template <class Write>
INLINE void threefry(uint32_t k0, uint32_t k1, long first, long end, Write write) {
    const uint32_t keys[3] = {k0, k1, k0 ^ k1 ^ PARITY};
    constexpr int LANES = 64;
    for (long i = first; i < end; i += LANES) {
        uint32_t a[LANES], b[LANES];
        for (int l = 0; l < LANES; l++) {
            const uint64_t counter = static_cast<uint64_t>(i + l);
            a[l] = static_cast<uint32_t>(counter) + keys[0];
            b[l] = static_cast<uint32_t>(counter >> 32) + keys[1];
        }
        for (int group = 0; group < 5; group++) {
            const int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
            for (int r : rotations[group % 2])
                for (int l = 0; l < LANES; l++) {
                    a[l] += b[l];
                    b[l] = ((b[l] << r) | (b[l] >> (32 - r))) ^ a[l];
                }
            for (int l = 0; l < LANES; l++) {
                a[l] += keys[(group + 1) % 3];
                b[l] += keys[(group + 2) % 3] + group + 1;
            }
        }
        const long lanes = end - i < LANES ? end - i : LANES;
        write(i, lanes, a, b);
    }
}

// `count` words of the stream that the key names.
EXPORT void random_bits(int threads, uint32_t k0, uint32_t k1, long count, uint32_t* bits) {
    over_blocks(threads, (count + 1) / 2, [=](long first, long end) {
        threefry(k0, k1, first, end, [=](long i, long lanes, const uint32_t* a, const uint32_t* b) {
            for (long l = 0; l < lanes; l++) {
                bits[2 * (i + l)] = a[l];
                if (2 * (i + l) + 1 < count) bits[2 * (i + l) + 1] = b[l];
            }
        });
    });
}

// y = x * scale where the top 24 bits of an element's word are below `limit`, else x * 0.
EXPORT void dropout(int threads, uint32_t k0, uint32_t k1, long count, uint32_t limit, float scale,
                    const float* x, float* y) {
    over_blocks(threads, (count + 1) / 2, [=](long first, long end) {
        threefry(k0, k1, first, end, [=](long i, long lanes, const uint32_t* a, const uint32_t* b) {
            for (long l = 0; l < lanes; l++) {
                const long at = 2 * (i + l);
                y[at] = x[at] * ((a[l] >> 8) < limit ? scale : 0.0f);
                if (at + 1 < count) y[at + 1] = x[at + 1] * ((b[l] >> 8) < limit ? scale : 0.0f);
            }
        });
    });
}
