// Step 3, the patch: the 4x4 pixels that the four outputs of a pooling window read are loaded once.
//
// Sums, ReLU and pooling stay in registers, and only the pooled result is stored: the convolution's full-size
// output, the activation, is never written.
//
// The lanes of a vector are windows side by side, whose patches begin two pixels apart. So a channel is
// copied into planes first, one for each column of the patch (0 to 3) and for even and odd rows: then numbers
// that are neighbours in a plane belong to neighbouring windows.

#include <cstring>
#include <vector>

constexpr int BYTES = __BIGGEST_ALIGNMENT__ > 16 ? __BIGGEST_ALIGNMENT__ : 16;  // of a vector register
constexpr int LANES = BYTES / 4;                                                // floats in one
typedef float Floats __attribute__((vector_size(BYTES)));  // a register: + and * work on all lanes at once
typedef float Anywhere __attribute__((vector_size(BYTES), aligned(4), may_alias));  // one at any address

static Floats load(const float* from) { return *reinterpret_cast<const Anywhere*>(from); }
static void store(float* to, Floats values) { *reinterpret_cast<Anywhere*>(to) = values; }
static Floats larger(Floats a, Floats b) { return a > b ? a : b; }

constexpr int FILTERS = BYTES == 64 ? 4 : 2;  // four sums each: 16 of AVX-512's 32 registers, 8 of AVX2's 16

// Adds what a row of the patch gives to the two outputs in row `a` of the window, by one row of each filter.
static inline void add_row(const Floats (&pixels)[4], const float* weights, int a,
                           Floats (&sum)[FILTERS][2][2]) {
    for (int s = 0; s < 3; s++)
        for (int k = 0; k < FILTERS; k++) {
            const float w = weights[s * FILTERS + k];
            sum[k][a][0] += pixels[s] * w;
            sum[k][a][1] += pixels[s + 1] * w;
        }
}

// The results of a block of filters at a vector of windows, from `place` on: a channel's patch takes 16
// loads, for 36 multiply-adds of each filter.
static void block(const float* planes, int C, int Q, int plane, const float* weights, const float* bias,
                  int place, Floats (&pooled)[FILTERS]) {
    Floats sum[FILTERS][2][2];  // [filter][row of the window][its column]
    for (int k = 0; k < FILTERS; k++)
        for (int w = 0; w < 4; w++) sum[k][w / 2][w % 2] = Floats{} + bias[k];
    for (int c = 0; c < C; c++, planes += 8 * plane, weights += 9 * FILTERS)
        for (int i = 0; i < 4; i++) {  // a row of the patch
            const float* from = planes + i % 2 * 4 * plane + i / 2 * Q + place;
            Floats pixels[4];
            for (int j = 0; j < 4; j++) pixels[j] = load(from + j * plane);
            if (i < 3) add_row(pixels, weights + 3 * i * FILTERS, 0, sum);
            if (i > 0) add_row(pixels, weights + 3 * (i - 1) * FILTERS, 1, sum);
        }
    for (int k = 0; k < FILTERS; k++) {
        const Floats upper = larger(sum[k][0][0], sum[k][0][1]), lower = larger(sum[k][1][0], sum[k][1][1]);
        pooled[k] = larger(larger(upper, lower), Floats{});  // ReLU: nothing below 0
    }
}

// Copies a channel into its planes; `frame` has zeros around the image, and keeps them.
static void split(const float* image, int H, int W, int P, int Q, int plane, float* frame, float* planes) {
    const int pitch = W + 2;
    for (int h = 0; h < H; h++) std::memcpy(frame + (h + 1) * pitch + 1, image + h * W, W * sizeof(float));
    for (int h = 0; h < 2 * P + 2; h++)
        for (int j = 0; j < 4; j++) {
            const float* from = frame + h * pitch + j;
            float* to = planes + (h % 2 * 4 + j) * plane + h / 2 * Q;
            for (int q = 0; q < Q; q++) to[q] = from[2 * q];
        }
}

extern "C" void step(int N, int C, int H, int W, int K, const float* x, const float* weight,
                     const float* bias, float* y) {
    const int P = H / 2, Q = W / 2, places = P * Q;  // without gaps between rows
    const int plane = (P + 1) * Q + LANES, taps = 9 * C, blocks = (K + FILTERS - 1) / FILTERS;

    std::vector<float> weights(long(blocks) * taps * FILTERS), shift(blocks * FILTERS);
    for (int k = 0; k < K; k++) {
        shift[k] = bias[k];
        for (int tap = 0; tap < taps; tap++)
            weights[(k / FILTERS * taps + tap) * FILTERS + k % FILTERS] = weight[k * taps + tap];
    }

    std::vector<float> frame((H + 2) * (W + 2)), planes(long(C) * 8 * plane);
    for (int n = 0; n < N; n++) {
        for (int c = 0; c < C; c++)
            split(x + (n * C + c) * H * W, H, W, P, Q, plane, frame.data(), planes.data() + c * 8 * plane);
        for (int k = 0; k < K; k += FILTERS)
            for (int place = 0; place < places; place += LANES) {
                Floats pooled[FILTERS];
                block(planes.data(), C, Q, plane, weights.data() + k * taps, shift.data() + k, place, pooled);
                const int count = places - place < LANES ? places - place : LANES;
                for (int m = 0; m < FILTERS && k + m < K; m++) {
                    float* to = y + (n * K + k + m) * places + place;
                    if (count == LANES)
                        store(to, pooled[m]);
                    else
                        std::memcpy(to, &pooled[m], count * sizeof(float));
                }
            }
    }
}
