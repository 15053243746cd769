// Step 3, fused: bias, ReLU and pooling happen in registers, and only the pooled result is written.
//
// The thread's 2x2 outputs are a pooling window, so all four are at hand when their sums are complete. Until
// there the kernel is step 2's; the activation, four times as large as the result, is neither written nor
// read again.

struct Sizes { int N, C, H, W, K; };

const int SIDE = 32;             // a block computes 32 x 32 outputs of FILTERS filters: each thread 2 x 2
const int FILTERS = 4;
const int PITCH = SIDE + 2;      // the outputs' pixels and a border of one

struct alignas(16) Room {
    float tile[PITCH * PITCH];   // one channel's part of the image
    float weights[9 * FILTERS];  // [tap][filter]: a thread reads the four filters of a tap in one access
};

__global__ void __launch_bounds__(256) fused_conv2d_relu_max_pool2d(const float* x, const float* weight,
                                                                    const float* bias, float* y, Sizes of) {
    SHARED(Room, room);
    const int tiles_w = (of.W + SIDE - 1) / SIDE, tiles_h = (of.H + SIDE - 1) / SIDE;
    const int left = blockIdx.x % tiles_w * SIDE, top = blockIdx.x / tiles_w % tiles_h * SIDE;
    const int n = blockIdx.x / (tiles_w * tiles_h), first = blockIdx.y * FILTERS;
    const int row = threadIdx.x / 16 * 2, column = threadIdx.x % 16 * 2;  // the thread's outputs

    float sums[FILTERS][2][2] = {};
    for (int c = 0; c < of.C; c++) {
        __syncthreads();  // everybody has read the channel before
        for (int e = threadIdx.x; e < PITCH * PITCH; e += 256) {
            const int h = top + e / PITCH - 1, w = left + e % PITCH - 1;
            const bool inside = h >= 0 && h < of.H && w >= 0 && w < of.W;
            room.tile[e] = inside ? x[((n * of.C + c) * of.H + h) * of.W + w] : 0;
        }
        for (int e = threadIdx.x; e < 9 * FILTERS; e += 256) {
            const int k = first + e % FILTERS;
            room.weights[e] = k < of.K ? weight[(k * of.C + c) * 9 + e / FILTERS] : 0;
        }
        __syncthreads();  // everything is there

        float pixels[4][4];
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j += 2) {  // two at once: half a warp reads each of the 32 banks once
                const Vector<float, 2> pair = load<2>(room.tile + (row + i) * PITCH + column + j);
                pixels[i][j] = pair.of[0];
                pixels[i][j + 1] = pair.of[1];
            }
        for (int r = 0; r < 3; r++)
            for (int s = 0; s < 3; s++) {
                const Vector<float, 4> tap = load<4>(room.weights + (r * 3 + s) * FILTERS);
                for (int k = 0; k < FILTERS; k++)
                    for (int a = 0; a < 2; a++)
                        for (int b = 0; b < 2; b++) sums[k][a][b] += pixels[r + a][s + b] * tap.of[k];
            }
    }

    const int P = of.H / 2, Q = of.W / 2, p = (top + row) / 2, q = (left + column) / 2;  // the window
    if (p >= P || q >= Q) return;
    for (int k = 0; k < FILTERS && first + k < of.K; k++) {
        const float shift = bias[first + k];
        float largest = 0;  // ReLU: nothing below it
        for (int a = 0; a < 2; a++)
            for (int b = 0; b < 2; b++) {
                const float value = sums[k][a][b] + shift;
                largest = value > largest ? value : largest;
            }
        y[((n * of.K + first + k) * P + p) * Q + q] = largest;
    }
}
