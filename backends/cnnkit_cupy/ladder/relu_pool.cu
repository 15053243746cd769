// What follows the convolution in steps 1 and 2: ReLU, and the largest of each window, one thread a window.

struct Pooled { int maps, H, W; };  // of the activation; the result has half as many rows and columns

__global__ void __launch_bounds__(256) relu_max_pool2d(const float* x, float* y, Pooled of) {
    const int i = blockIdx.x * 256 + threadIdx.x, P = of.H / 2, Q = of.W / 2;
    if (i >= of.maps * P * Q) return;
    const float* window = x + (i / (P * Q) * of.H + i / Q % P * 2) * of.W + i % Q * 2;
    float largest = 0;  // ReLU: nothing below it
    for (int a = 0; a < 2; a++)
        for (int b = 0; b < 2; b++) {
            const float value = window[a * of.W + b];
            largest = value > largest ? value : largest;
        }
    y[i] = largest;
}
