// Step 1, the naive kernel: one thread computes one output, and reads all that it needs from global memory.
//
// x (N, C, H, W), weight (K, C, 3, 3), y (N, K, H, W), all in C order; stride 1, padding 1. Threads that are
// neighbours compute neighbours of a row, so what a warp reads of the image lies side by side: that is all
// the thought that this kernel takes. But every pixel is read again for each of nine taps and of K filters.

struct Sizes { int N, C, H, W, K; };

__global__ void __launch_bounds__(256) naive_conv2d(const float* x, const float* weight, const float* bias,
                                                    float* y, Sizes of) {
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= of.N * of.K * of.H * of.W) return;
    const int q = i % of.W, p = i / of.W % of.H, k = i / (of.W * of.H) % of.K, n = i / (of.W * of.H * of.K);
    float sum = bias[k];
    for (int c = 0; c < of.C; c++)
        for (int r = 0; r < 3; r++)
            for (int s = 0; s < 3; s++) {
                const int h = p + r - 1, w = q + s - 1;
                if (h >= 0 && h < of.H && w >= 0 && w < of.W)
                    sum += x[((n * of.C + c) * of.H + h) * of.W + w] *
                           weight[((k * of.C + c) * 3 + r) * 3 + s];
            }
    y[i] = sum;
}
