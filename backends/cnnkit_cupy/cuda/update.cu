// Optimizer updates: parameter, gradient and state in one pass, `lanes` elements a thread. State is
// written in place, the parameter into a new array. All arithmetic is in float; what is stored has the
// parameter's dtype.

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

// `buffer` may be null: no momentum.
template <class T, int lanes>
__global__ void __launch_bounds__(256) sgd(const T* param, const T* grad, T* buffer, T* result, Sgd by) {
    long long i;
    if (!mine<lanes>(by.count, i)) return;
    const Vector<T, lanes> params = load<lanes>(param + i), grads = load<lanes>(grad + i);
    Vector<T, lanes> buffers = {}, results;
    if (buffer && !by.first) buffers = load<lanes>(buffer + i);
    for (int k = 0; k < lanes; k++) {
        const float p = wide(params.of[k]);
        float g = by.maximize ? -wide(grads.of[k]) : wide(grads.of[k]);
        if (by.weight_decay != 0) g += by.weight_decay * p;
        if (buffer) {
            const float b = by.first ? g : by.momentum * wide(buffers.of[k]) + by.kept * g;
            buffers.of[k] = narrow<T>(b);
            g = by.nesterov ? g + by.momentum * b : b;
        }
        results.of[k] = narrow<T>(p - by.lr * g);
    }
    if (buffer) store(buffer + i, buffers);
    store(result + i, results);
}

// `largest` (AMSGrad's) may be null.
template <class T, int lanes>
__global__ void __launch_bounds__(256) adam(const T* param, const T* grad, T* mean, T* square,
                                            T* largest, T* result, Adam by) {
    long long i;
    if (!mine<lanes>(by.count, i)) return;
    const Vector<T, lanes> params = load<lanes>(param + i), grads = load<lanes>(grad + i);
    Vector<T, lanes> means = {}, squares = {}, most = {}, results;
    if (!by.first) {
        means = load<lanes>(mean + i);
        squares = load<lanes>(square + i);
        if (largest) most = load<lanes>(largest + i);
    }
    for (int k = 0; k < lanes; k++) {
        const float p = wide(params.of[k]);
        float g = by.maximize ? -wide(grads.of[k]) : wide(grads.of[k]);
        if (by.decay != 0) g += by.decay * p;
        const float m = by.beta1 * wide(means.of[k]) + by.rest1 * g;
        float v = by.beta2 * wide(squares.of[k]) + by.rest2 * (g * g);
        means.of[k] = narrow<T>(m);
        squares.of[k] = narrow<T>(v);
        if (largest) {
            if (!by.first && !(wide(most.of[k]) <= v)) v = v != v ? v : wide(most.of[k]);  // a NaN stays
            most.of[k] = narrow<T>(v);
        }
        results.of[k] = narrow<T>(p * by.shrink - by.rate * m / (sqrtf(v) * by.correction + by.eps));
    }
    store(mean + i, means);
    store(square + i, squares);
    if (largest) store(largest + i, most);
    store(result + i, results);
}
