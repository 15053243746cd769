// The calls of cuBLAS that CuPy makes for products of matrices and vectors. Matrices are stored by columns.
// Sums are in double precision, so that a result is the right one, rounded once.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "ptx/numbers.h"

#define EXPORT extern "C" __attribute__((visibility("default")))
extern "C" int soft_enqueue(void* stream, void (*work)(void*), void* data);  // frees the data with free()

using namespace soft;

namespace {

enum Number : int {
    single = 0,
    twice = 1,
    half = 2,
    bfloat = 14
};  // cudaDataType: R_32F, R_64F, R_16F, R_16BF
enum Status : int { fine = 0, invalid = 7, unsupported = 15 };
enum { on_host = 0, on_device = 1 };

struct Handle {
    void* stream = nullptr;
    int math = 0, scalars = on_host;
};

size_t bytes_of(int number) { return number == single ? 4 : number == twice ? 8 : 2; }
bool known(int number) { return number == single || number == twice || number == half || number == bfloat; }

template <class T>
const T& at(const void* memory, size_t index) {
    return static_cast<const T*>(memory)[index];
}
double load(const void* memory, size_t index, int number) {
    switch (number) {
        case single: return static_cast<double>(at<float>(memory, index));
        case twice: return at<double>(memory, index);
        case half: return static_cast<double>(static_cast<float>(at<Half>(memory, index)));
        default: return static_cast<double>(static_cast<float>(at<Bfloat>(memory, index)));
    }
}
void store(void* memory, size_t index, int number, double value) {
    switch (number) {
        case single: static_cast<float*>(memory)[index] = static_cast<float>(value); break;
        case twice: static_cast<double*>(memory)[index] = value; break;
        case half: static_cast<Half*>(memory)[index] = Half(value); break;
        default: static_cast<Bfloat*>(memory)[index] = Bfloat(value); break;
    }
}

struct Matrix {
    const void* data;
    int number;
    int64_t columns_apart;
    bool transposed;
    int64_t apart = 0;
};
struct Scalar {
    const void* pointer;
    double value;
    int number;
};

struct Product {  // C = alpha A B + beta C, `count` times
    int m, n, k, count;
    Matrix a, b, c;
    Scalar alpha, beta;
    void** arrays[3] = {};  // of pointers, where each of the products has its own
};

double value_of(const Scalar& scalar) {
    return scalar.pointer ? load(scalar.pointer, 0, scalar.number) : scalar.value;
}
Scalar scalar_of(const Handle& handle, const void* pointer, int number) {
    if (handle.scalars == on_device) return {pointer, 0, number};  // read when the product is made
    return {nullptr, load(pointer, 0, number), number};
}

// a matrix as doubles, row after row, or column after column
std::vector<double> rows_of(const char* data, const Matrix& matrix, int rows, int columns, bool by_columns) {
    std::vector<double> values(static_cast<size_t>(rows) * static_cast<size_t>(columns));
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            const auto from = matrix.transposed ? c + r * matrix.columns_apart : r + c * matrix.columns_apart;
            values[by_columns
                       ? static_cast<size_t>(c) * static_cast<size_t>(rows) + static_cast<size_t>(r)
                       : static_cast<size_t>(r) * static_cast<size_t>(columns) + static_cast<size_t>(c)] =
                load(data, static_cast<size_t>(from), matrix.number);
        }
    return values;
}

void multiply(void* data) {
    const Product& p = *static_cast<Product*>(data);
    const double alpha = value_of(p.alpha), beta = value_of(p.beta);
    const auto start = [&](const Matrix& matrix, int which, int64_t n) {
        const char* memory = static_cast<const char*>(p.arrays[which] ? p.arrays[which][n] : matrix.data);
        return const_cast<char*>(
            memory +
            (p.arrays[which] ? 0 : n * matrix.apart * static_cast<int64_t>(bytes_of(matrix.number))));
    };
    std::vector<double> column(static_cast<size_t>(p.m));
    for (int64_t n = 0; n < p.count; n++) {
        const std::vector<double> a = rows_of(start(p.a, 0, n), p.a, p.m, p.k, true),
                                  b = rows_of(start(p.b, 1, n), p.b, p.k, p.n, true);
        char* c = start(p.c, 2, n);
        for (int j = 0; j < p.n; j++) {
            std::fill(column.begin(), column.end(), 0.0);
            for (int l = 0; l < p.k; l++) {
                const double factor =
                    b[static_cast<size_t>(j) * static_cast<size_t>(p.k) + static_cast<size_t>(l)];
                const double* from = a.data() + static_cast<size_t>(l) * static_cast<size_t>(p.m);
                for (int i = 0; i < p.m; i++) column[static_cast<size_t>(i)] += from[i] * factor;
            }
            for (int i = 0; i < p.m; i++) {
                const size_t to = static_cast<size_t>(i + j * p.c.columns_apart);
                const double product = alpha * column[static_cast<size_t>(i)];
                store(c, to, p.c.number, beta == 0 ? product : product + beta * load(c, to, p.c.number));
            }
        }
    }
}

template <class T>
int later(const Handle& handle, void (*work)(void*), const T& job) {
    void* memory = std::malloc(sizeof(T));
    new (memory) T(job);
    return soft_enqueue(handle.stream, work, memory) ? 14 : fine;  // CUBLAS_STATUS_INTERNAL_ERROR
}

int product(void* opaque, int ta, int tb, int m, int n, int k, const void* alpha, Matrix a, Matrix b,
            const void* beta, Matrix c, int compute, int count = 1) {
    const Handle& handle = *static_cast<Handle*>(opaque);
    if (!known(a.number) || !known(b.number) || !known(c.number)) return unsupported;
    if (m < 0 || n < 0 || k < 0 || c.columns_apart < m) return invalid;
    a.transposed = ta != 0;
    b.transposed = tb != 0;
    return later(handle, multiply,
                 Product{m, n, k, count, a, b, c, scalar_of(handle, alpha, compute),
                         scalar_of(handle, beta, compute)});
}

// what cublasComputeType_t says of alpha's type: 64 is COMPUTE_16F, 70 COMPUTE_64F, and both have a PEDANTIC
// one
int scalars_of(int compute) {
    return compute == 64 || compute == 65 ? half : compute == 70 || compute == 71 ? twice : single;
}

struct Sum {
    int m, n;
    Matrix a, b, c;
    Scalar alpha, beta;
};  // geam: C = alpha A + beta B
void add(void* data) {
    const Sum& s = *static_cast<Sum*>(data);
    const double alpha = value_of(s.alpha), beta = value_of(s.beta);
    const auto value = [](const Matrix& x, int i, int j) {
        return load(x.data,
                    static_cast<size_t>(x.transposed ? j + i * x.columns_apart : i + j * x.columns_apart),
                    x.number);
    };
    for (int j = 0; j < s.n; j++)
        for (int i = 0; i < s.m; i++)
            store(const_cast<void*>(s.c.data), static_cast<size_t>(i + j * s.c.columns_apart), s.c.number,
                  (alpha == 0 ? 0 : alpha * value(s.a, i, j)) + (beta == 0 ? 0 : beta * value(s.b, i, j)));
}
struct Outer {
    int m, n;
    const void *x, *y;
    int64_t x_apart, y_apart;
    Matrix a;
    Scalar alpha;
};  // ger: A += alpha x y'
void outer(void* data) {
    const Outer& o = *static_cast<Outer*>(data);
    const double alpha = value_of(o.alpha);
    for (int j = 0; j < o.n; j++)
        for (int i = 0; i < o.m; i++) {
            const size_t to = static_cast<size_t>(i + j * o.a.columns_apart);
            store(const_cast<void*>(o.a.data), to, o.a.number,
                  load(o.a.data, to, o.a.number) +
                      alpha * load(o.x, static_cast<size_t>(i * o.x_apart), o.a.number) *
                          load(o.y, static_cast<size_t>(j * o.y_apart), o.a.number));
        }
}
struct Vectors {
    int m, n;
    Matrix a;
    const void* x;
    void* y;
    int64_t x_apart, y_apart;
    Scalar alpha, beta;
};  // gemv: y = alpha A x + beta y
void apply(void* data) {
    const Vectors& v = *static_cast<Vectors*>(data);
    const double alpha = value_of(v.alpha), beta = value_of(v.beta);
    const int rows = v.a.transposed ? v.n : v.m, columns = v.a.transposed ? v.m : v.n;
    for (int r = 0; r < rows; r++) {
        double sum = 0;
        for (int c = 0; c < columns; c++)
            sum += load(v.a.data,
                        static_cast<size_t>(v.a.transposed ? c + r * v.a.columns_apart
                                                           : r + c * v.a.columns_apart),
                        v.a.number) *
                   load(v.x, static_cast<size_t>(c * v.x_apart), v.a.number);
        const size_t to = static_cast<size_t>(r * v.y_apart);
        store(v.y, to, v.a.number, alpha * sum + (beta == 0 ? 0 : beta * load(v.y, to, v.a.number)));
    }
}

}  // namespace

EXPORT int cublasCreate_v2(void** handle) {
    *handle = new Handle;
    return fine;
}
EXPORT int cublasDestroy_v2(void* handle) {
    delete static_cast<Handle*>(handle);
    return fine;
}
EXPORT int cublasGetVersion_v2(void*, int* version) {
    *version = 130000;
    return fine;
}
EXPORT int cublasSetStream_v2(void* handle, void* stream) {
    static_cast<Handle*>(handle)->stream = stream;
    return fine;
}
EXPORT int cublasGetStream_v2(void* handle, void** stream) {
    *stream = static_cast<Handle*>(handle)->stream;
    return fine;
}
EXPORT int cublasSetMathMode(void* handle, int mode) {
    static_cast<Handle*>(handle)->math = mode;
    return fine;
}
EXPORT int cublasGetMathMode(void* handle, int* mode) {
    *mode = static_cast<Handle*>(handle)->math;
    return fine;
}
EXPORT int cublasSetPointerMode_v2(void* handle, int mode) {
    static_cast<Handle*>(handle)->scalars = mode;
    return fine;
}
EXPORT int cublasGetPointerMode_v2(void* handle, int* mode) {
    *mode = static_cast<Handle*>(handle)->scalars;
    return fine;
}

EXPORT int cublasGemmEx(void* h, int ta, int tb, int m, int n, int k, const void* alpha, const void* a,
                        int at, int lda, const void* b, int bt, int ldb, const void* beta, void* c, int ct,
                        int ldc, int compute, int) {
    return product(h, ta, tb, m, n, k, alpha, {a, at, lda, false}, {b, bt, ldb, false}, beta,
                   {c, ct, ldc, false}, scalars_of(compute));
}
EXPORT int cublasSgemmEx(void* h, int ta, int tb, int m, int n, int k, const float* alpha, const void* a,
                         int at, int lda, const void* b, int bt, int ldb, const float* beta, void* c, int ct,
                         int ldc) {
    return product(h, ta, tb, m, n, k, alpha, {a, at, lda, false}, {b, bt, ldb, false}, beta,
                   {c, ct, ldc, false}, single);
}
EXPORT int cublasGemmStridedBatchedEx(void* h, int ta, int tb, int m, int n, int k, const void* alpha,
                                      const void* a, int at, int lda, long long sa, const void* b, int bt,
                                      int ldb, long long sb, const void* beta, void* c, int ct, int ldc,
                                      long long sc, int count, int compute, int) {
    return product(h, ta, tb, m, n, k, alpha, {a, at, lda, false, sa}, {b, bt, ldb, false, sb}, beta,
                   {c, ct, ldc, false, sc}, scalars_of(compute), count);
}

// the calls that are there for each type
#define FOR_TYPE(S, T, number)                                                                               \
    EXPORT int cublas##S##gemm_v2(void* h, int ta, int tb, int m, int n, int k, const T* alpha, const T* a,  \
                                  int lda, const T* b, int ldb, const T* beta, T* c, int ldc) {              \
        return product(h, ta, tb, m, n, k, alpha, {a, number, lda, false}, {b, number, ldb, false}, beta,    \
                       {c, number, ldc, false}, number);                                                     \
    }                                                                                                        \
    EXPORT int cublas##S##gemmStridedBatched(                                                                \
        void* h, int ta, int tb, int m, int n, int k, const T* alpha, const T* a, int lda, long long sa,     \
        const T* b, int ldb, long long sb, const T* beta, T* c, int ldc, long long sc, int count) {          \
        return product(h, ta, tb, m, n, k, alpha, {a, number, lda, false, sa}, {b, number, ldb, false, sb},  \
                       beta, {c, number, ldc, false, sc}, number, count);                                    \
    }                                                                                                        \
    EXPORT int cublas##S##gemmBatched(void* opaque, int ta, int tb, int m, int n, int k, const T* alpha,     \
                                      void** a, int lda, void** b, int ldb, const T* beta, void** c,         \
                                      int ldc, int count) {                                                  \
        const Handle& h = *static_cast<Handle*>(opaque);                                                     \
        Product job{m,                                                                                       \
                    n,                                                                                       \
                    k,                                                                                       \
                    count,                                                                                   \
                    {nullptr, number, lda, ta != 0},                                                         \
                    {nullptr, number, ldb, tb != 0},                                                         \
                    {nullptr, number, ldc, false},                                                           \
                    scalar_of(h, alpha, number),                                                             \
                    scalar_of(h, beta, number)};                                                             \
        job.arrays[0] = a, job.arrays[1] = b, job.arrays[2] = c;                                             \
        return later(h, multiply, job);                                                                      \
    }                                                                                                        \
    EXPORT int cublas##S##gemv_v2(void* opaque, int t, int m, int n, const T* alpha, const T* a, int lda,    \
                                  const T* x, int ix, const T* beta, T* y, int iy) {                         \
        const Handle& h = *static_cast<Handle*>(opaque);                                                     \
        return later(h, apply,                                                                               \
                     Vectors{m,                                                                              \
                             n,                                                                              \
                             {a, number, lda, t != 0},                                                       \
                             x,                                                                              \
                             y,                                                                              \
                             ix,                                                                             \
                             iy,                                                                             \
                             scalar_of(h, alpha, number),                                                    \
                             scalar_of(h, beta, number)});                                                   \
    }                                                                                                        \
    EXPORT int cublas##S##dot_v2(void* opaque, int n, const T* x, int ix, const T* y, int iy, T* result) {   \
        static const T one = 1, nothing = 0;                                                                 \
        Handle h = *static_cast<Handle*>(opaque);                                                            \
        h.scalars = on_host;                                                                                 \
        return product(&h, 0, 1, 1, 1, n, &one, {x, number, ix, false}, {y, number, iy, false}, &nothing,    \
                       {result, number, 1, false}, number);                                                  \
    }                                                                                                        \
    EXPORT int cublas##S##geam(void* opaque, int ta, int tb, int m, int n, const T* alpha, const T* a,       \
                               int lda, const T* beta, const T* b, int ldb, T* c, int ldc) {                 \
        const Handle& h = *static_cast<Handle*>(opaque);                                                     \
        return later(h, add,                                                                                 \
                     Sum{m,                                                                                  \
                         n,                                                                                  \
                         {a, number, lda, ta != 0},                                                          \
                         {b, number, ldb, tb != 0},                                                          \
                         {c, number, ldc, false},                                                            \
                         scalar_of(h, alpha, number),                                                        \
                         scalar_of(h, beta, number)});                                                       \
    }                                                                                                        \
    EXPORT int cublas##S##ger_v2(void* opaque, int m, int n, const T* alpha, const T* x, int ix, const T* y, \
                                 int iy, T* a, int lda) {                                                    \
        const Handle& h = *static_cast<Handle*>(opaque);                                                     \
        return later(h, outer,                                                                               \
                     Outer{m, n, x, y, ix, iy, {a, number, lda, false}, scalar_of(h, alpha, number)});       \
    }
FOR_TYPE(S, float, single)
FOR_TYPE(D, double, twice)
