// Step 1, the definition: a convolution of seven loops, then ReLU and pooling.
//
// Images (N, C, H, W), filters (K, C, 3, 3), results (N, K, H / 2, W / 2), all in C order: neighbours in
// memory differ in the last index. The padding is 1, so the convolution's output is as high and wide as the
// image. Every later step must give these numbers.

#include <vector>

// What the image has at row h and column w; its padding is zeros.
static float pixel(const float* image, int H, int W, int h, int w) {
    return h < 0 || h >= H || w < 0 || w >= W ? 0 : image[h * W + w];
}

static void convolution(int N, int C, int H, int W, int K, const float* x, const float* weight,
                        const float* bias, float* y) {
    for (int n = 0; n < N; n++)                        // 1: images
        for (int k = 0; k < K; k++)                    // 2: filters
            for (int p = 0; p < H; p++)                // 3: rows of the output
                for (int q = 0; q < W; q++) {          // 4: its columns
                    float sum = bias[k];
                    for (int c = 0; c < C; c++)              // 5: channels
                        for (int r = 0; r < 3; r++)          // 6: rows of the filter
                            for (int s = 0; s < 3; s++)      // 7: its columns
                                sum += pixel(x + (n * C + c) * H * W, H, W, p + r - 1, q + s - 1) *
                                       weight[((k * C + c) * 3 + r) * 3 + s];
                    y[((n * K + k) * H + p) * W + q] = sum;
                }
}

// ReLU, then the largest of each window of two by two; a last row or column without a partner is left out.
static void relu_and_pooling(int maps, int H, int W, const float* x, float* y) {
    const int P = H / 2, Q = W / 2;
    for (int map = 0; map < maps; map++, x += H * W, y += P * Q)
        for (int p = 0; p < P; p++)
            for (int q = 0; q < Q; q++) {
                float largest = 0;  // ReLU: nothing below it
                for (int a = 0; a < 2; a++)
                    for (int b = 0; b < 2; b++) {
                        const float value = x[(2 * p + a) * W + 2 * q + b];
                        largest = value > largest ? value : largest;
                    }
                y[p * Q + q] = largest;
            }
}

extern "C" void step(int N, int C, int H, int W, int K, const float* x, const float* weight,
                     const float* bias, float* y) {
    std::vector<float> activation(long(N) * K * H * W);  // four times as large as the result
    convolution(N, C, H, W, K, x, weight, bias, activation.data());
    relu_and_pooling(N * K, H, W, activation.data(), y);
}
