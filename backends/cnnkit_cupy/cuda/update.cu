// Optimizer updates: parameter, gradient and state in one pass, `lanes` elements a thread. State is
// written in place, the parameter into a new array. All arithmetic and all state is in float; the parameter
// alone is rounded to its type.

struct Sgd {
    long long count;
    float lr, momentum, kept, weight_decay;  // kept: 1 - dampening
    int nesterov, maximize, first;           // first: the buffer holds nothing yet
};

struct Adam {
    long long count;
    // rest: 1 - beta, of which float's own difference would lose digits
    float beta1, rest1, beta2, rest2;
    // lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t), and what weight decay adds to g
    float rate, correction, eps, decay;
    float shrink;                             // or, decoupled, multiplies the parameter by
    int maximize, first;
};

template <int lanes> __device__ inline bool mine(long long count, long long& i) {
    i = (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) * lanes;
    return i < count;
}

// State beside 8 parameters of 16 bits is twice as wide as one access.
template <int lanes> constexpr int part = lanes < per_access<float> ? lanes : per_access<float>;
template <int lanes> __device__ inline void load_state(const float* from, float (&values)[lanes]) {
    for (int k = 0; k < lanes; k += part<lanes>) {
        const Vector<float, part<lanes>> loaded = load<part<lanes>>(from + k);
        for (int m = 0; m < part<lanes>; m++) values[k + m] = loaded.of[m];
    }
}
template <int lanes> __device__ inline void store_state(float* to, const float (&values)[lanes]) {
    for (int k = 0; k < lanes; k += part<lanes>) {
        Vector<float, part<lanes>> stored;
        for (int m = 0; m < part<lanes>; m++) stored.of[m] = values[k + m];
        store(to + k, stored);
    }
}

// `buffer` may be null: no momentum.
template <class T, int lanes>
__global__ void __launch_bounds__(256) sgd(const T* param, const T* grad, float* buffer, T* result, Sgd by) {
    long long i;
    if (!mine<lanes>(by.count, i)) return;
    const Vector<T, lanes> params = load<lanes>(param + i), grads = load<lanes>(grad + i);
    Vector<T, lanes> results;
    float buffers[lanes] = {};
    if (buffer && !by.first) load_state(buffer + i, buffers);
    for (int k = 0; k < lanes; k++) {
        const float p = wide(params.of[k]);
        float g = by.maximize ? -wide(grads.of[k]) : wide(grads.of[k]);
        if (by.weight_decay != 0) g += by.weight_decay * p;
        if (buffer) {
            const float b = by.first ? g : by.momentum * buffers[k] + by.kept * g;
            buffers[k] = b;
            g = by.nesterov ? g + by.momentum * b : b;
        }
        results.of[k] = narrow<T>(p - by.lr * g);
    }
    if (buffer) store_state(buffer + i, buffers);
    store(result + i, results);
}

// `largest` (AMSGrad's) may be null.
template <class T, int lanes>
__global__ void __launch_bounds__(256) adam(const T* param, const T* grad, float* mean,
                                            float* square, float* largest, T* result, Adam by) {
    long long i;
    if (!mine<lanes>(by.count, i)) return;
    const Vector<T, lanes> params = load<lanes>(param + i), grads = load<lanes>(grad + i);
    Vector<T, lanes> results;
    float means[lanes] = {}, squares[lanes] = {}, most[lanes] = {};
    if (!by.first) {
        load_state(mean + i, means);
        load_state(square + i, squares);
        if (largest) load_state(largest + i, most);
    }
    for (int k = 0; k < lanes; k++) {
        const float p = wide(params.of[k]);
        float g = by.maximize ? -wide(grads.of[k]) : wide(grads.of[k]);
        if (by.decay != 0) g += by.decay * p;
        const float m = by.beta1 * means[k] + by.rest1 * g;
        float v = by.beta2 * squares[k] + by.rest2 * (g * g);
        means[k] = m;
        squares[k] = v;
        if (largest) {
            if (!by.first && !(most[k] <= v)) v = v != v ? v : most[k];  // a NaN stays
            most[k] = v;
        }
        results.of[k] = narrow<T>(p * by.shrink - by.rate * m / (sqrtf(v) * by.correction + by.eps));
    }
    store_state(mean + i, means);
    store_state(square + i, squares);
    if (largest) store_state(largest + i, most);
    store(result + i, results);
}
