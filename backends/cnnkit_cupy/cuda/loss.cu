// Softmax cross-entropy with class indices: loss and gradient from one pass over the logits, a warp for
// each sample, which is one of N rows of C logits, or one pixel of maps (N, C, H, W). Gradients are
// (N, H, W, C) in memory: the channels last. A label outside 0 ... C - 1 that is not ignored makes its
// sample's loss and gradient NaN.

struct Loss {
    int samples, C, H, W;
    long long ignored;
    float smoothing;
    int mean;
};

__device__ inline long long place_of(int sample, const Loss& loss, const Strides& by) {
    return sample / loss.W / loss.H * by.n + sample / loss.W % loss.H * by.h + sample % loss.W * by.w;
}

// `losses` gets a sample's loss, `totals` the weight of its class (0 where it is ignored), and `gradient`
// (may be null) the derivative of its loss: softmax * sum(desired) - desired.
template <class T, class Label>
__device__ inline void sample_loss(int n, const T* logits, const Label* target, const T* weight,
                                   float* losses,
                                   float* totals, float* gradient, const Strides& by, const Loss& loss) {
    const int lane = threadIdx.x % 32;
    const T* scores = logits + place_of(n, loss, by);
    const long long label = target[n];
    const bool counted = label != loss.ignored, valid = label >= 0 && label < loss.C;
    const float bad = counted && !valid ? __int_as_float(0x7fc00000) : 0.0f;

    float largest = __int_as_float(0xff800000);
    for (int c = lane; c < loss.C; c += 32) largest = fmaxf(largest, wide(scores[c * by.c]));
    largest = warp_max(largest);
    float total = 0;
    for (int c = lane; c < loss.C; c += 32) total += expf(wide(scores[c * by.c]) - largest);
    const float log_total = logf(warp_sum(total));

    float sum = 0, desired_sum = 0;
    // the second one writes the gradient, for which it needs the sum over all classes
    for (int pass = 0; pass < 2; pass++) {
#pragma unroll 2  // more of it spills registers on sm_100
        for (int c = lane; c < loss.C; c += 32) {
            const float log_p = wide(scores[c * by.c]) - largest - log_total;
            float desired = (c == label ? 1 - loss.smoothing : 0.0f) + loss.smoothing / loss.C;
            if (weight && desired != 0) desired *= wide(weight[c]);
            if (!counted) desired = 0;
            if (pass == 0) {
                desired_sum += desired;
                if (desired != 0) sum -= desired * log_p;
            } else {
                gradient[static_cast<long long>(n) * loss.C + c] = expf(log_p) * desired_sum - desired + bad;
            }
        }
        if (pass == 0) {
            desired_sum = warp_sum(desired_sum);
            sum = warp_sum(sum);
            if (!gradient) break;
        }
    }
    if (lane == 0) {
        losses[n] = sum + bad;
        totals[n] = !counted || !valid ? 0.0f : weight ? wide(weight[label]) : 1.0f;
    }
}

// All samples' losses, a warp for each; and by the last block, if `result` is not null, their sum or weighted
// mean, where `total` gets what the mean was divided by.
template <class T, class Label>
__global__ void __launch_bounds__(256, 4) cross_entropy(
    const T* logits, const Label* target, const T* weight, float* losses, float* totals, float* gradient,
        T* result,
    float* total, unsigned* counter, Strides by, Loss loss) {
    SHARED(Sums, sums);
    SHARED(int, is_last);
    const int mine = blockIdx.x * 8 + threadIdx.x / 32;
    if (mine < loss.samples) sample_loss(mine, logits, target, weight, losses, totals, gradient, by, loss);
    if (!result || !last_block(counter, gridDim.x, is_last)) return;
    float sum = 0, weights = 0;
    for (int n = threadIdx.x; n < loss.samples; n += 256) {
        sum += losses[n];
        weights += totals[n];
    }
    sum = block_sum(sum, sums);
    weights = block_sum(weights, sums);
    if (threadIdx.x == 0) {
        *result = narrow<T>(!loss.mean ? sum : weights == 0 ? __int_as_float(0x7fc00000) : sum / weights);
        *total = loss.mean && weights != 0 ? weights : 1.0f;
    }
}

// dlogits = gradient * dy / total; dy has one element for each sample, of any strides: 0 where it is
// the same for all. An ignored sample has no gradient, even where dy is infinite.
template <class T, class Label>
__global__ void __launch_bounds__(256) cross_entropy_backward(const float* gradient, const Label* target,
                                                              const T* dy, const float* total, T* dlogits,
                                                              Strides by, Loss loss) {
    const long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= static_cast<long long>(loss.samples) * loss.C) return;
    const int sample = static_cast<int>(i / loss.C);
    float share = wide(dy[place_of(sample, loss, by)]);
    if (loss.mean) share /= *total;
    if (target[sample] == loss.ignored) share = 0;
    dlogits[i] = narrow<T>(gradient[i] * share);
}
