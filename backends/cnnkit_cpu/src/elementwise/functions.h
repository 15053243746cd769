// Activations as functions of a vector, with up to two settings a and b. `forward` gives the result;
// `backward` dy times the derivative, from the result where FROM_RESULT says so, else from the argument. It
// multiplies by dy itself, because where the derivative is 0 an infinite dy must not make NaN.
#pragma once

#include "core/exponential.h"

struct Settings {
    Floats a, b;
    Settings(float a, float b) : a(splat(a)), b(splat(b)) {}
};

struct OfArgument : Settings {
    static constexpr bool FROM_RESULT = false;
    using Settings::Settings;
};

struct OfResult : Settings {
    static constexpr bool FROM_RESULT = true;
    using Settings::Settings;
};

struct Relu : OfResult {
    using OfResult::OfResult;
    Floats forward(Floats x) const { return positive(x); }
    Floats backward(Floats y, Floats dy) const { return choose(y <= Floats{}, Floats{}, dy); }
};

struct Leaky : OfArgument {  // a: the slope below 0
    using OfArgument::OfArgument;
    Floats forward(Floats x) const { return choose(x > Floats{}, x, x * a); }
    Floats backward(Floats x, Floats dy) const { return choose(x > Floats{}, dy, dy * a); }
};

struct Hardtanh : OfArgument {  // from a to b
    using OfArgument::OfArgument;
    Floats forward(Floats x) const { return choose(x <= a, a, choose(x >= b, b, x)); }
    Floats backward(Floats x, Floats dy) const { return choose((x <= a) | (x >= b), Floats{}, dy); }
};

struct Hardswish : OfArgument {
    using OfArgument::OfArgument;
    Floats forward(Floats x) const {
        return at_least(x, -3) * at_most(at_least(x + splat(3), 0), 6) * splat(1 / 6.0f);
    }
    Floats backward(Floats x, Floats dy) const {
        const Floats between = choose(x < splat(3), dy * (x * splat(1 / 3.0f) + splat(0.5f)), dy);
        return choose(x <= splat(-3), Floats{}, between);
    }
};

struct Hardsigmoid : OfArgument {
    using OfArgument::OfArgument;
    Floats forward(Floats x) const { return at_most(at_least(x + splat(3), 0), 6) * splat(1 / 6.0f); }
    Floats backward(Floats x, Floats dy) const {
        return choose((x <= splat(-3)) | (x >= splat(3)), Floats{}, dy * splat(1 / 6.0f));
    }
};

struct Sigmoid : OfResult {
    using OfResult::OfResult;
    Floats forward(Floats x) const { return sigmoid(x); }
    Floats backward(Floats y, Floats dy) const { return dy * (splat(1) - y) * y; }
};

struct Tanh : OfResult {
    using OfResult::OfResult;
    Floats forward(Floats x) const { return tanh(x); }
    Floats backward(Floats y, Floats dy) const { return dy * (splat(1) - y * y); }
};

struct Silu : OfArgument {
    using OfArgument::OfArgument;
    Floats forward(Floats x) const { return x * sigmoid(x); }
    Floats backward(Floats x, Floats dy) const {
        const Floats gate = sigmoid(x);
        return dy * gate * (splat(1) + x * (splat(1) - gate));
    }
};

// The normal distribution's density, without its factor, and the part below x: exp(-x^2 / 2) times a quotient
// of polynomials is the tail (Hart et al. 1968, 5666; cnnkit/ops/special.py).
struct Normal {
    Floats bell, below;
};

INLINE Normal normal(Floats x) {
    const Floats z = choose(x < Floats{}, -x, x), m = at_most(z, 40), bell = exp(splat(-0.5f) * m * m);
    constexpr float N[] = {3.52624966e-2f, 0.700383064f, 6.37396220f, 33.9128661f,
                           112.079291f,    221.213596f,  220.206868f};
    constexpr float D[] = {8.83883476e-2f, 1.75566716f, 16.0641776f, 86.7807322f,
                           296.564249f,    637.333633f, 793.826513f, 440.413736f};
    Floats n = splat(N[0]), d = splat(D[0]);
    for (int i = 1; i < 7; i++) n = n * m + splat(N[i]);
    for (int i = 1; i < 8; i++) d = d * m + splat(D[i]);
    const Floats tail = bell * n / d;
    return {bell, choose(x < Floats{}, tail, splat(1) - tail)};
}

struct Gelu : OfArgument {
    using OfArgument::OfArgument;
    Floats forward(Floats x) const { return x * normal(x).below; }
    Floats backward(Floats x, Floats dy) const {
        const Normal n = normal(x);
        return dy * (n.below + x * n.bell * splat(0.398942280f));
    }
};

struct GeluTanh : OfArgument {
    static constexpr float SCALE = 1.59576912f, CUBE = 0.044715f;  // the root of 8 / pi
    using OfArgument::OfArgument;
    Floats below(Floats x) const {
        const Floats m = at_least(at_most(x, 40), -40);
        return sigmoid(splat(SCALE) * m * (splat(1) + splat(CUBE) * m * m));
    }
    Floats forward(Floats x) const { return x * below(x); }
    Floats backward(Floats x, Floats dy) const {
        const Floats m = at_least(at_most(x, 40), -40), part = below(x);
        const Floats slope = splat(SCALE) * (splat(1) + splat(3 * CUBE) * m * m);
        return dy * (part + x * (slope * part * (splat(1) - part)));  // x is large where the rest is 0
    }
};

struct Elu : OfArgument {  // a: alpha
    using OfArgument::OfArgument;
    Floats forward(Floats x) const { return choose(x <= Floats{}, a * expm1(at_most(x, 0)), x); }
    Floats backward(Floats x, Floats dy) const {
        return choose(x <= Floats{}, dy * (a * expm1(at_most(x, 0)) + a), dy);
    }
};

struct Celu : OfArgument {  // a: alpha
    using OfArgument::OfArgument;
    Floats forward(Floats x) const { return choose(x <= Floats{}, a * expm1(at_most(x, 0) / a), x); }
    Floats backward(Floats x, Floats dy) const {
        return choose(x <= Floats{}, dy * (expm1(at_most(x, 0) / a) + splat(1)), dy);
    }
};

struct Selu : OfArgument {  // a: the factor, b: factor times alpha
    using OfArgument::OfArgument;
    Floats forward(Floats x) const { return choose(x > Floats{}, a * x, b * expm1(at_most(x, 0))); }
    Floats backward(Floats x, Floats dy) const {
        return choose(x <= Floats{}, dy * (b * expm1(at_most(x, 0)) + b), dy * a);
    }
};

struct Mish : OfArgument {
    using OfArgument::OfArgument;
    Floats forward(Floats x) const { return x * gate(exp(at_most(x, 20))); }
    Floats backward(Floats x, Floats dy) const {
        const Floats e = exp(at_most(x, 20)), g = gate(e);
        return dy * (g + x * (splat(1) - g * g) * (e / (splat(1) + e)));
    }
    static Floats gate(Floats e) {  // tanh(log(1 + e))
        const Floats n = e * (e + splat(2));
        return n / (n + splat(2));
    }
};

struct Identity : OfArgument {
    using OfArgument::OfArgument;
    Floats forward(Floats x) const { return x; }
    Floats backward(Floats, Floats dy) const { return dy; }
};

constexpr int NO_FUNCTION = -1, RELU = 0, HARDTANH = 2, LAST_CHEAP = 4;

// Call with the function if it costs less than to store its argument, else with the identity.
template <class Call>
INLINE void with_cheap_function(int number, float a, float b, Call call) {
    switch (number) {
        case RELU:
            return call(Relu(a, b));
        case 1:
            return call(Leaky(a, b));
        case HARDTANH:
            return call(Hardtanh(a, b));
        case 3:
            return call(Hardswish(a, b));
        case LAST_CHEAP:
            return call(Hardsigmoid(a, b));
        default:
            return call(Identity(a, b));
    }
}

// Call with the function of a number; cnnkit_cpu/activation.py has the numbers.
template <class Call>
INLINE void with_function(int number, float a, float b, Call call) {
    if (number <= LAST_CHEAP) return with_cheap_function(number, a, b, call);
    switch (number) {
        case 5:
            return call(Sigmoid(a, b));
        case 6:
            return call(Tanh(a, b));
        case 7:
            return call(Silu(a, b));
        case 8:
            return call(Gelu(a, b));
        case 9:
            return call(GeluTanh(a, b));
        case 10:
            return call(Elu(a, b));
        case 11:
            return call(Celu(a, b));
        case 12:
            return call(Selu(a, b));
        case 13:
            return call(Mish(a, b));
    }
}
