// Optimizer updates: parameters, gradients and state of up to 64 tensors in one launch, 16 bytes of
// parameters a thread. State is written in place, parameters too or into new arrays. All arithmetic and all
// state is in float; the parameter alone is rounded to its type.

// tensors of a launch: four tables of addresses or six fit into a kernel's parameters
constexpr int MOST = 64;

// the tensors' elements; the tensors' first blocks, and behind the last tensor the number of blocks
using Counts = Numbers<long long, MOST>;
using Firsts = Numbers<int, MOST + 1>;

struct Sgd {
    float lr, momentum, kept, weight_decay;  // kept: 1 - dampening
    int nesterov, maximize, first;           // first: the buffers hold nothing yet
};

struct Adam {
    // rest: 1 - beta, of which float's own difference would lose digits
    float beta1, rest1, beta2, rest2;
    // lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t), and what weight decay adds to g
    float rate, correction, eps, decay;
    float shrink;                             // or, decoupled, multiplies the parameter by
    int maximize, first;
};

// A thread's tensor, its first element there, and how many elements it has: up to `lanes`, or none.
struct Mine { int tensor; long long i; int count; };
template <int lanes> __device__ inline Mine mine(const Counts& counts, const Firsts& firsts) {
    const int block = blockIdx.x;
    int tensor = 0;
    for (int end = MOST; end - tensor > 1;) {
        const int middle = (tensor + end) / 2;
        if (firsts.of[middle] <= block) tensor = middle;
        else end = middle;
    }
    const long long i = (static_cast<long long>(block - firsts.of[tensor]) * blockDim.x + threadIdx.x)
                        * lanes;
    const long long left = counts.of[tensor] - i;
    return {tensor, i, left <= 0 ? 0 : left < lanes ? static_cast<int>(left) : lanes};
}

__device__ inline bool aligned(const void* a) { return reinterpret_cast<unsigned long long>(a) % 16 == 0; }

// `count` of up to `lanes` numbers; 16 bytes at once where `whole`.
template <int lanes, class T>
__device__ inline void load_some(const T* from, int count, bool whole, float (&values)[lanes]) {
    constexpr int part = lanes < per_access<T> ? lanes : per_access<T>;
    for (int k = 0; k < lanes; k += part) {
        Vector<T, part> loaded = {};
        if (whole) loaded = load<part>(from + k);
        else
            for (int m = 0; m < part; m++)
                if (k + m < count) loaded.of[m] = from[k + m];
        for (int m = 0; m < part; m++) values[k + m] = wide(loaded.of[m]);
    }
}
template <int lanes, class T>
__device__ inline void store_some(T* to, int count, bool whole, const float (&values)[lanes]) {
    constexpr int part = lanes < per_access<T> ? lanes : per_access<T>;
    for (int k = 0; k < lanes; k += part) {
        Vector<T, part> stored;
        for (int m = 0; m < part; m++) stored.of[m] = narrow<T>(values[k + m]);
        if (whole) store(to + k, stored);
        else
            for (int m = 0; m < part; m++)
                if (k + m < count) to[k + m] = stored.of[m];
    }
}

// The settings, or, if it is not null, those in memory: a CUDA graph's launches are given others there.
template <class Settings> __device__ inline Settings settings_of(const unsigned* on_device,
                                                                 const Settings& here) {
    return on_device ? *reinterpret_cast<const Settings*>(on_device) : here;
}

// `buffers` are null without momentum. `results` may be the parameters themselves.
template <class T>
__device__ inline void sgd_part(const Mine& at, const Table<const T, MOST>& params,
                                const Table<const T, MOST>& grads, const Table<float, MOST>& buffers,
                                const Table<T, MOST>& results, const Sgd& by) {
    constexpr int lanes = per_access<T>;
    const T* const param = params.of[at.tensor] + at.i;
    const T* const grad = grads.of[at.tensor] + at.i;
    T* const result = results.of[at.tensor] + at.i;
    float* const buffer = buffers.of[at.tensor] ? buffers.of[at.tensor] + at.i : nullptr;
    const bool whole = at.count == lanes && aligned(param) && aligned(grad) && aligned(result) &&
        aligned(buffer);
    float p[lanes], g[lanes], b[lanes] = {};
    load_some<lanes>(param, at.count, whole, p);
    load_some<lanes>(grad, at.count, whole, g);
    if (buffer && !by.first) load_some<lanes>(buffer, at.count, whole, b);
    for (int k = 0; k < lanes; k++) {
        if (by.maximize) g[k] = -g[k];
        if (by.weight_decay != 0) g[k] += by.weight_decay * p[k];
        if (buffer) {
            b[k] = by.first ? g[k] : by.momentum * b[k] + by.kept * g[k];
            g[k] = by.nesterov ? g[k] + by.momentum * b[k] : b[k];
        }
        p[k] -= by.lr * g[k];
    }
    if (buffer) store_some<lanes>(buffer, at.count, whole, b);
    store_some<lanes>(result, at.count, whole, p);
}

template <class T>
__global__ void __launch_bounds__(256) sgd(Table<const T, MOST> params, Table<const T, MOST> grads,
                                           Table<float, MOST> buffers, Table<T, MOST> results,
                                           Counts counts, Firsts firsts, const unsigned* on_device,
                                           Sgd here) {
    const Sgd by = settings_of(on_device, here);
    const Mine at = mine<per_access<T>>(counts, firsts);
    if (at.count) sgd_part(at, params, grads, buffers, results, by);
}

// `largest` (AMSGrad's) are null without it.
template <class T>
__device__ inline void adam_part(const Mine& at, const Table<const T, MOST>& params,
                                 const Table<const T, MOST>& grads, const Table<float, MOST>& means,
                                 const Table<float, MOST>& squares, const Table<float, MOST>& largest,
                                 const Table<T, MOST>& results, const Adam& by) {
    constexpr int lanes = per_access<T>;
    const T* const param = params.of[at.tensor] + at.i;
    const T* const grad = grads.of[at.tensor] + at.i;
    T* const result = results.of[at.tensor] + at.i;
    float* const mean = means.of[at.tensor] + at.i;
    float* const square = squares.of[at.tensor] + at.i;
    float* const most = largest.of[at.tensor] ? largest.of[at.tensor] + at.i : nullptr;
    const bool whole = at.count == lanes && aligned(param) && aligned(grad) && aligned(result)
                       && aligned(mean) && aligned(square) && aligned(most);
    float p[lanes], g[lanes], m[lanes] = {}, v[lanes] = {}, top[lanes] = {};
    load_some<lanes>(param, at.count, whole, p);
    load_some<lanes>(grad, at.count, whole, g);
    if (!by.first) {
        load_some<lanes>(mean, at.count, whole, m);
        load_some<lanes>(square, at.count, whole, v);
        if (most) load_some<lanes>(most, at.count, whole, top);
    }
    for (int k = 0; k < lanes; k++) {
        if (by.maximize) g[k] = -g[k];
        if (by.decay != 0) g[k] += by.decay * p[k];
        m[k] = by.beta1 * m[k] + by.rest1 * g[k];
        v[k] = by.beta2 * v[k] + by.rest2 * (g[k] * g[k]);
        float under = v[k];
        if (most) {
            if (!by.first && !(top[k] <= under)) under = under != under ? under : top[k];  // a NaN stays
            top[k] = under;
        }
        p[k] = p[k] * by.shrink - by.rate * m[k] / (sqrtf(under) * by.correction + by.eps);
    }
    store_some<lanes>(mean, at.count, whole, m);
    store_some<lanes>(square, at.count, whole, v);
    if (most) store_some<lanes>(most, at.count, whole, top);
    store_some<lanes>(result, at.count, whole, p);
}

template <class T>
__global__ void __launch_bounds__(256) adam(Table<const T, MOST> params, Table<const T, MOST> grads,
                                            Table<float, MOST> means, Table<float, MOST> squares,
                                            Table<float, MOST> largest, Table<T, MOST> results,
                                            Counts counts, Firsts firsts, const unsigned* on_device,
                                            Adam here) {
    const Adam by = settings_of(on_device, here);
    const Mine at = mine<per_access<T>>(counts, firsts);
    if (at.count) adam_part(at, params, grads, means, squares, largest, results, by);
}
