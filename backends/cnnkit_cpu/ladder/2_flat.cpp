// Step 2, the flat loop: an image is copied once with its padding; vectors run along the places of a map.
//
// In the padded copy, what tap (c, r, s) of a filter reads lies at the same offset from the output's own
// place, for every output. So the inner loop has no rows and columns any more, and never asks whether a pixel
// is inside: it goes over places, a vector of them at a time, with a list of offsets. The two places between
// one row and the next are computed in vain.

#include <vector>

constexpr int BYTES = __BIGGEST_ALIGNMENT__ > 16 ? __BIGGEST_ALIGNMENT__ : 16;  // of a vector register
constexpr int LANES = BYTES / 4;                                                // floats in one
typedef float Floats __attribute__((vector_size(BYTES)));  // a register: + and * work on all lanes at once
typedef float Anywhere __attribute__((vector_size(BYTES), aligned(4), may_alias));  // one at any address

static Floats load(const float* from) { return *reinterpret_cast<const Anywhere*>(from); }
static void store(float* to, Floats values) { *reinterpret_cast<Anywhere*>(to) = values; }

constexpr int FILTERS = 4, VECTORS = BYTES == 64 ? 4 : 2;  // FILTERS * VECTORS sums stay in registers

// Sums of a block of filters at VECTORS vectors of places, from `place` on. A vector of pixels serves FILTERS
// filters, a weight serves VECTORS vectors: FILTERS + VECTORS loads for FILTERS * VECTORS multiply-adds.
static void block(const float* padded, const int* offsets, int taps, const float* weights, const float* bias,
                  int filters, int place, int apart, float* activation) {
    Floats sum[FILTERS][VECTORS];
    for (int k = 0; k < FILTERS; k++)
        for (int v = 0; v < VECTORS; v++) sum[k][v] = Floats{} + (k < filters ? bias[k] : 0);
    for (int tap = 0; tap < taps; tap++) {
        const float* from = padded + offsets[tap] + place;
        Floats pixels[VECTORS];
        for (int v = 0; v < VECTORS; v++) pixels[v] = load(from + v * LANES);
        for (int k = 0; k < FILTERS; k++)
            for (int v = 0; v < VECTORS; v++) sum[k][v] += pixels[v] * weights[tap * FILTERS + k];
    }
    for (int k = 0; k < filters; k++)
        for (int v = 0; v < VECTORS; v++) store(activation + k * apart + place + v * LANES, sum[k][v]);
}

// ReLU, then the largest of each window of two by two.
static void relu_and_pooling(int H, int W, int pitch, const float* x, float* y) {
    for (int p = 0; p < H / 2; p++)
        for (int q = 0; q < W / 2; q++) {
            const float *above = x + 2 * p * pitch + 2 * q, *below = above + pitch;
            const float upper = above[0] > above[1] ? above[0] : above[1];
            const float lower = below[0] > below[1] ? below[0] : below[1];
            const float largest = upper > lower ? upper : lower;
            y[p * (W / 2) + q] = largest > 0 ? largest : 0;
        }
}

extern "C" void step(int N, int C, int H, int W, int K, const float* x, const float* weight,
                     const float* bias, float* y) {
    const int pitch = W + 2, plane = (H + 2) * pitch;  // floats of a row and of a channel in the padded copy
    const int run = VECTORS * LANES, places = (H * pitch + run - 1) / run * run;  // of a map, in whole runs
    const int taps = 9 * C, blocks = (K + FILTERS - 1) / FILTERS;

    std::vector<int> offsets;  // from the output's own place to what a tap reads
    for (int c = 0; c < C; c++)
        for (int r = 0; r < 3; r++)
            for (int s = 0; s < 3; s++) offsets.push_back(c * plane + r * pitch + s);
    std::vector<float> weights(long(blocks) * taps * FILTERS);  // in the order in which `block` reads them
    for (int k = 0; k < K; k++)
        for (int tap = 0; tap < taps; tap++)
            weights[(k / FILTERS * taps + tap) * FILTERS + k % FILTERS] = weight[k * taps + tap];

    std::vector<float> padded(C * plane + run + 2);  // zeros around the image; vectors read beyond the end
    std::vector<float> activation(long(FILTERS) * places);
    for (int n = 0; n < N; n++) {
        for (int c = 0; c < C; c++)
            for (int h = 0; h < H; h++)
                for (int w = 0; w < W; w++)
                    padded[c * plane + (h + 1) * pitch + w + 1] = x[((n * C + c) * H + h) * W + w];
        for (int k = 0; k < K; k += FILTERS) {
            const int filters = K - k < FILTERS ? K - k : FILTERS;
            for (int place = 0; place < places; place += run)
                block(padded.data(), offsets.data(), taps, weights.data() + k * taps, bias + k, filters,
                      place, places, activation.data());
            for (int m = 0; m < filters; m++)
                relu_and_pooling(H, W, pitch, activation.data() + m * places,
                                 y + (n * K + k + m) * (H / 2) * (W / 2));
        }
    }
}
