// Tensor cores and asynchronous copies: what prims.cuh has as PTX. Sums are made in double and rounded once,
// which is closer than a GPU's.
#pragma once

// Macros, for they name their line.
#define ldmatrix(words, row) emu::load_matrices<false>(words, row, EMU_SITE)
#define ldmatrix_trans(words, row) emu::load_matrices<true>(words, row, EMU_SITE)
#define mma_sync(type, sums, a, b0, b1) emu::multiply(type, sums, a, b0, b1, EMU_SITE)

using SharedAddress = const char*;
static inline SharedAddress shared_address(const void* of) { return static_cast<const char*>(of); }

static inline void cp_async(SharedAddress to, const void* from, bool valid) {
    emu::copy_async(const_cast<char*>(to), from, valid);
}
static inline void cp_async_commit() { emu::copies_commit(); }
template <int but> static inline void cp_async_wait() { emu::copies_wait(but); }

namespace emu {

struct alignas(16) Row { unsigned short of[8]; };
struct RowAndWords { Row row; unsigned words[4]; };

// Word w of lane i: two neighbours in row i / 4 of matrix w, from column 2 (i % 4) on; transposed, in column
// i / 4.
template <bool transposed> static void distribute(void* const* given) {
    for (unsigned lane = 0; lane < 32; lane++)
        for (unsigned w = 0; w < 4; w++) {
            unsigned short pair[2];
            for (unsigned half = 0; half < 2; half++) {
                const unsigned first = lane / 4, second = lane % 4 * 2 + half;
                const void* lender = given[8 * w + (transposed ? second : first)];
                const auto* from = static_cast<const RowAndWords*>(lender);
                pair[half] = from->row.of[transposed ? first : second];
            }
            memcpy(static_cast<RowAndWords*>(given[lane])->words + w, pair, 4);
        }
}
template <bool transposed>
static inline void load_matrices(unsigned (&words)[4], SharedAddress row, const char* site) {
    RowAndWords mine{load_at_once(reinterpret_cast<const Row*>(row)), {}};
    together(distribute<transposed>, &mine, site);
    memcpy(words, mine.words, sizeof words);
}

struct Fragments { const unsigned *a, *b; float* sums; };

static inline float number_of(__half, unsigned word, unsigned part) {
    return __half2float({static_cast<unsigned short>(word >> 16 * part)});
}
static inline float number_of(__nv_bfloat16, unsigned word, unsigned part) {
    return __bfloat162float({static_cast<unsigned short>(word >> 16 * part)});
}
static inline float number_of(float, unsigned word, unsigned) { return __uint_as_float(word & ~0x1FFFu); }

// The fragments are those of the PTX manual's figures for mma.m16n8k16 and, of TF32, m16n8k8: a lane's words
// of A are in rows i / 4 and 8 below, and again 16 bytes further in the depth; those of B in column i / 4.
template <class T> static void multiply_all(void* const* given) {
    constexpr unsigned per_word = 4 / sizeof(T), depth = 8 * per_word;
    double a[16][depth], b[8][depth];
    for (unsigned lane = 0; lane < 32; lane++) {
        const auto& mine = *static_cast<const Fragments*>(given[lane]);
        for (unsigned part = 0; part < per_word; part++) {
            const unsigned row = lane / 4, k = lane % 4 * per_word + part;
            for (unsigned w = 0; w < 4; w++)
                a[row + w % 2 * 8][k + w / 2 * 4 * per_word] = number_of(T(), mine.a[w], part);
            for (unsigned w = 0; w < 2; w++) b[row][k + w * 4 * per_word] = number_of(T(), mine.b[w], part);
        }
    }
    for (unsigned lane = 0; lane < 32; lane++)
        for (unsigned i = 0; i < 4; i++) {
            float& sum = static_cast<Fragments*>(given[lane])->sums[i];
            const double *row = a[lane / 4 + i / 2 * 8], *column = b[lane % 4 * 2 + i % 2];
            double total = sum;
            for (unsigned k = 0; k < depth; k++) total += row[k] * column[k];
            sum = static_cast<float>(total);
        }
}
template <class T>
static inline void multiply(T, float (&sums)[4], const unsigned (&a)[4], unsigned b0, unsigned b1,
                            const char* site) {
    const unsigned b[2] = {b0, b1};
    Fragments mine{a, b, sums};
    together(multiply_all<T>, &mine, site);
}

}  // namespace emu

static inline void load_shared(unsigned (&words)[4], SharedAddress from) {
    const emu::Row row = load_at_once(reinterpret_cast<const emu::Row*>(from));
    memcpy(words, &row, sizeof words);
}
