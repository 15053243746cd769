"""Shape arithmetic, against windows counted one by one, PyTorch, and numbers worked out by hand."""

from itertools import product

import pytest

from cnnkit import shapes


def windows(n, before, after, k, s, d):
    """Where each window starts, found by trying every pixel of the padded axis."""
    return [i for i in range(0, n + before + after, s)
            if all(i + d * tap < n + before + after for tap in range(k))]


def windows_ceil(n, before, after, k, s, d):
    """As `windows`, and a last one that hangs over the end, if it starts in input or leading padding."""
    starts = windows(n, before, after, k, s, d)
    following = starts[-1] + s
    pixels_are_left = starts[-1] + d * (k - 1) + 1 < n + before + after
    return [*starts, following] if pixels_are_left and following < n + before else starts


GRID = [(n, before, after, k, s, d)
        for n, before, after, k, s, d in product(range(1, 9), range(3),
                                                 range(3), range(1, 5), range(1, 5), (1, 2, 3))
        if n + before + after >= d * (k - 1) + 1]


# ---- arguments

@pytest.mark.parametrize(("value", "expected"), [(3, (3, 3)), ((1, 2), (1, 2)), ([1, 2], (1, 2)),
                                                 ((3,), (3, 3)), ([4], (4, 4))])
def test_pair_takes_an_integer_or_a_pair(value, expected):
    assert shapes.per_axis(value, "stride") == expected


def test_pair_takes_integers_of_any_kind_and_returns_plain_ones():
    numpy = pytest.importorskip("numpy")
    for value in (numpy.int64(2), (numpy.int32(2), 2)):
        result = shapes.per_axis(value, "stride")
        assert result == (2, 2)
        assert [type(v) for v in result] == [int, int]


@pytest.mark.parametrize("value",
                         [0, -1, (1, 0), (), (1, 2, 3), 1.5, "ab", None, True, (True, 1), ((1, 1), 1)])
def test_pair_names_the_argument_the_value_and_a_fix(value):
    with pytest.raises((TypeError, ValueError)) as caught:
        shapes.per_axis(value, "stride")
    assert "stride must be" in str(caught.value)
    assert repr(value) in str(caught.value)
    assert "stride=1" in str(caught.value)


def test_pair_allows_zero_where_it_makes_sense():
    assert shapes.per_axis((0, 0), "padding", minimum=0) == (0, 0)


@pytest.mark.parametrize(("padding", "expected"), [
    (0, ((0, 0), (0, 0))),
    (2, ((2, 2), (2, 2))),
    ((1, 2), ((1, 1), (2, 2))),
    (((1, 2), (3, 4)), ((1, 2), (3, 4))),
    ([[1, 2], 3], ((1, 2), (3, 3))),
    ("valid", ((0, 0), (0, 0))),
])
def test_padding_spelled_in_numbers_does_not_depend_on_the_window(padding, expected):
    assert shapes.pads(padding, (9, 9), (3, 5), stride=2) == expected


@pytest.mark.parametrize(("size", "kernel_size", "stride", "dilation", "expected"), [
    ((28, 28), 3, 1, 1, ((1, 1), (1, 1))),
    ((28, 28), 2, 1, 1, ((0, 1), (0, 1))),  # one extra pixel goes to the bottom and right
    ((28, 28), 3, 2, 1, ((0, 1), (0, 1))),
    ((27, 28), 3, 2, 1, ((1, 1), (0, 1))),
    ((28, 28), (3, 5), 1, 2, ((2, 2), (4, 4))),
    ((28, 28), 1, 3, 1, ((0, 0), (0, 0))),
])
def test_same_padding_by_hand(size, kernel_size, stride, dilation, expected):
    assert shapes.pads("same", size, kernel_size, stride, dilation) == expected


@pytest.mark.parametrize("padding", [-1, (0, -1), "sane", "Same", (1, 2, 3), (1, 2, 3, 4), 1.5, None, True])
def test_wrong_padding_is_named_with_what_is_allowed(padding):
    with pytest.raises((TypeError, ValueError), match="padding must be an integer, a pair") as caught:
        shapes.pads(padding, (9, 9), 3)
    assert repr(padding) in str(caught.value)


# ---- output size

def test_output_length_counts_the_windows():
    for n, before, after, k, s, d in GRID:
        expected = len(windows(n, before, after, k, s, d))
        assert shapes.output_length(n, k, s, (before, after), d) == expected, (n, before, after, k, s, d)


def test_ceil_mode_counts_the_window_that_hangs_over_the_end():
    for n, before, after, k, s, d in GRID:
        if after <= d * (k - 1):  # no whole window lies in the padding, as for every pooling
            expected = len(windows_ceil(n, before, after, k, s, d))
            found = shapes.output_length(n, k, s, (before, after), d, ceil_mode=True)
            assert found == expected, (n, before, after, k, s, d)


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_pooling_sizes_are_pytorchs(ceil_mode):
    torch = pytest.importorskip("torch")
    compared = 0
    for n, p, k, s, d in product(range(1, 10), range(3), range(1, 5), range(1, 5), (1, 2)):
        if p > k // 2:
            continue
        try:
            expected = torch.nn.functional.max_pool1d(torch.zeros(1, 1, n), k, s, p, d, ceil_mode).shape[-1]
        except RuntimeError:
            with pytest.raises(ValueError, match="larger than the padded input"):
                shapes.output_length(n, k, s, p, d, ceil_mode)
        else:
            assert shapes.output_length(n, k, s, p, d, ceil_mode) == expected, (n, p, k, s, d)
            compared += 1
    assert compared > 400


def test_same_padding_gives_the_size_over_the_stride_rounded_up():
    for n, k, s, d in product(range(1, 13), range(1, 6), range(1, 6), (1, 2, 3)):
        expected = len(range(0, n, s))  # every s-th pixel is one output
        (before, after), _ = shapes.pads("same", n, k, s, d)
        assert after - before in (0, 1)
        assert len(windows(n, before, after, k, s, d)) == expected, (n, k, s, d)
        assert shapes.output_length(n, k, s, "same", d) == expected, (n, k, s, d)


@pytest.mark.parametrize(("size", "window", "expected"), [
    ((5, 5), {"kernel_size": 3}, (3, 3)),  # guide, 3.1: a 3x3 filter on a 5x5 image
    ((28, 56), {"kernel_size": 1}, (28, 56)),  # guide, 3.1: 1x1 leaves height and width unchanged
    ((28, 28), {"kernel_size": 2, "stride": 2}, (14, 14)),  # guide, 3.3
    ((6, 7), {"kernel_size": 3, "stride": 2}, (2, 3)),  # the floor that the guide omits
    ((6, 7), {"kernel_size": 3, "stride": 2, "ceil_mode": True}, (3, 3)),
    ((10, 20), {"kernel_size": (3, 5), "stride": (1, 2), "padding": (1, 0), "dilation": (2, 1)}, (8, 8)),
    ((4, 4), {"kernel_size": 3, "padding": ((0, 1), (2, 0))}, (3, 4)),
    (7, {"kernel_size": 3, "padding": "same", "stride": 2}, (4, 4)),
])
def test_output_size_by_hand(size, window, expected):
    assert shapes.output_size(size, **window) == expected


def test_a_kernel_that_does_not_fit_is_told_with_all_values_and_what_would():
    with pytest.raises(ValueError, match="larger than the padded input") as caught:
        shapes.output_size((3, 10), 5)
    for part in ("size=(3, 10)", "kernel_size=(5, 5)", "stride=(1, 1)", "padding=((0, 0), (0, 0))",
                 "dilation=(1, 1)", "5 of 3 pixels of height", "padding=2 gives 3 from 3 with "
                 "kernel_size=5, stride=1", "kernel_size=3 gives 1 from 3 with stride=1, padding=0"):
        assert part in str(caught.value)
    assert "width" not in str(caught.value)


@pytest.mark.parametrize("bad",
                         [{"stride": 0}, {"dilation": 0}, {"kernel_size": 0}, {"padding": -1}, {"size": -1}])
def test_output_size_names_the_argument_that_makes_no_sense(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))} must be"):
        shapes.output_size(**{"size": 5, "kernel_size": 3, **bad})


# ---- solve

@pytest.mark.parametrize(("question", "answer"), [
    ({"size": 28, "output_size": 28, "kernel_size": 3, "stride": 1},
     "padding=1 gives 28 from 28 with kernel_size=3, stride=1"),
    ({"size": 28, "output_size": 14, "kernel_size": 2, "padding": 0},
     "stride=2 gives 14 from 28 with kernel_size=2, padding=0"),
    ({"size": 28, "output_size": 24, "stride": 1, "padding": 0},
     "kernel_size=5 gives 24 from 28 with stride=1, padding=0"),
    ({"size": 28, "output_size": 14}, "kernel_size=3, stride=2, padding=1 give 14 from 28"),
    ({"size": 28, "output_size": 28, "kernel_size": 2, "stride": 1},  # no equal padding does it
     "padding=(0, 1) gives 28 from 28 with kernel_size=2, stride=1"),
    ({"size": 28, "output_size": 28, "kernel_size": 3, "stride": 1, "dilation": 2},
     "padding=2 gives 28 from 28 with kernel_size=3, stride=1, dilation=2"),
    ({"size": 28, "output_size": 14, "kernel_size": 3, "padding": "same"},
     "stride=2 gives 14 from 28 with kernel_size=3, padding='same'"),
    ({"size": 224, "output_size": 1}, "kernel_size=224, stride=1, padding=0 give 1 from 224"),
    ({"size": (28, 56), "output_size": (28, 56), "kernel_size": 3, "stride": 1},
     "padding=1 gives (28, 56) from (28, 56) with kernel_size=3, stride=1"),
    ({"size": (28, 28), "output_size": 28, "kernel_size": (3, 5), "stride": 1},
     "padding=(1, 2) gives (28, 28) from (28, 28) with kernel_size=(3, 5), stride=1"),
])
def test_solve_puts_the_usual_answer_first(question, answer):
    assert str(shapes.solve(**question)[0]) == answer


UNKNOWNS = [names for names in product([True, False], repeat=3) if any(names)]


@pytest.mark.parametrize("unknown", UNKNOWNS)
def test_every_answer_of_solve_is_right_and_none_is_listed_twice(unknown):
    names = [n for n, is_unknown in zip(("kernel_size", "stride", "padding"), unknown) if is_unknown]
    for n, o, d in product(range(1, 9), range(1, 9), (1, 2)):
        fixed = {k: v
                 for k, v in {"kernel_size": 3, "stride": 2, "padding": (1, 0)}.items() if k not in names}
        answers = shapes.solve(n, o, **fixed, dilation=d, limit=1000)
        assert len(set(answers)) == len(answers)
        for answer in answers:
            assert {k: getattr(answer, k) for k in fixed} == fixed
            ends = answer.padding if isinstance(answer.padding, tuple) else (answer.padding, answer.padding)
            assert len(windows(n, *ends, answer.kernel_size, answer.stride, d)) == o, answer


@pytest.mark.parametrize("name", ["kernel_size", "stride", "padding"])
def test_solve_finds_an_answer_wherever_trying_them_all_does(name):
    candidates = {"kernel_size": range(1, 12), "stride": range(1, 12), "padding": range(2)}
    for n, o, k, s, p in product(range(1, 8), range(1, 8), (2, 3), (1, 2, 3), (0, 1)):
        window = {"kernel_size": k, "stride": s, "padding": p}
        expected = [v for v in candidates[name] for w in [{**window, name: v}]
                    if len(windows(n, w["padding"], w["padding"], w["kernel_size"], w["stride"], 1)) == o]
        answers = [getattr(a, name) for a in shapes.solve(n, o, **{**window, name: None}, limit=1000)]
        if name == "padding":
            assert not expected or answers[0] == expected[0]
        elif name == "stride" and o == 1:  # any larger stride would do as well
            assert answers == expected[:1], (n, window)
        else:
            assert sorted(answers) == expected, (n, o, window)


def as_pair(value):
    return (value, value) if isinstance(value, int) else value


@pytest.mark.parametrize(("size", "output", "kernel_size"), [
    ((7, 9), (7, 9), 4), ((5, 8), (3, 4), None), ((6, 6), (3, 6), 3), ((4, 9), (2, 3), (2, 3)),
])
def test_solve_lists_answers_for_both_axes_that_can_be_used_as_they_are(size, output, kernel_size):
    answers = shapes.solve(size, output, kernel_size)
    assert answers
    for a in answers:
        axes = zip(size, as_pair(a.padding), as_pair(a.kernel_size), as_pair(a.stride))
        assert tuple(len(windows(n, *as_pair(p), k, s, 1)) for n, p, k, s in axes) == output, a


def test_solve_answers_with_an_empty_list_or_says_that_nothing_was_asked():
    assert shapes.solve(5, 50, kernel_size=3, stride=1) == []
    with pytest.raises(ValueError, match="nothing to solve for"):
        shapes.solve(5, 3, kernel_size=3, stride=1, padding=0)


# ---- receptive field

def input_pixels(layers, pixel):
    """The first and last input pixel that one output pixel depends on, followed back tap by tap."""
    pixels = {pixel}
    for k, s, d, before in reversed(layers):
        pixels = {i * s - before + d * tap for i in pixels for tap in range(k)}
    return min(pixels), max(pixels)


@pytest.mark.parametrize("layers", [
    [],
    [(3, 1, 1, 0)],
    [(3, 1, 1, 1), (2, 2, 1, 0), (3, 1, 1, 1), (2, 2, 1, 0)],
    [(7, 2, 1, 3), (3, 2, 1, 1), (3, 1, 2, 2), (1, 1, 1, 0)],
    [(2, 3, 2, 1), (5, 1, 3, 0), (4, 2, 1, 2)],
])
def test_receptive_field_is_what_an_output_pixel_depends_on(layers):
    (first, last), (next_first, _) = input_pixels(layers, 0), input_pixels(layers, 1)
    expected = last - first + 1, next_first - first, first
    field = shapes.receptive_field(layers)
    assert [field.size, field.jump, field.start] == [(v, v) for v in expected]


def test_receptive_field_goes_by_axis_and_fills_in_what_is_left_out():
    layers = [((3, 5),), (2, 2), (3, 1, 1, "same"), (1, 1, 1, ((2, 9), (1, 9)))]
    assert shapes.receptive_field(layers) == ((8, 10), (2, 2), (-6, -4))


def test_receptive_field_of_vgg16s_convolutions_is_212_as_published():
    # Araujo et al. (2019), table of networks: receptive field 212, effective stride 32, effective padding 90
    layers = [layer for convs in (2, 2, 3, 3, 3) for layer in [(3, 1, 1, 1)] * convs + [(2, 2)]]
    assert shapes.receptive_field(layers) == ((212, 212), (32, 32), (-90, -90))


def test_receptive_field_asks_for_numbers_where_same_depends_on_the_input():
    with pytest.raises(ValueError, match="depends on the input's size"):
        shapes.receptive_field([(3, 2, 1, "same")])


# ---- parameters and FLOPs

@pytest.mark.parametrize(("layer", "arguments", "expected"), [
    ("conv2d", (3, 8, 3), 224),  # guide, "Total Parameters in a CNN", and the next three
    ("conv2d", (8, 16, 3), 1168),
    ("linear", (8 * 14 * 14, 128), 200832),
    ("linear", (128, 10), 1290),
    ("conv2d", (3, 8, 3, 1, False), 216),
    ("conv2d", (6, 4, (1, 5), 2), 1 * 5 * 3 * 4 + 4),
    ("linear", (128, 10, False), 1280),
])
def test_parameters_by_the_guides_formulas(layer, arguments, expected):
    assert getattr(shapes, f"{layer}_parameters")(*arguments) == expected


def test_flops_are_the_operations_of_the_loops():
    c, k, r, s, p, q, groups = 4, 6, 3, 2, 5, 7, 2
    multiplied = sum(1 for _ in product(range(k), range(p), range(q), range(c // groups), range(r), range(s)))
    assert shapes.conv2d_flops(c, k, (r, s), (p, q), groups) == 2 * multiplied
    assert shapes.linear_flops(11, 13) == 2 * sum(1 for _ in product(range(11), range(13)))
    compared = sum(1 for _ in product(range(c), range(p), range(q), range(r), range(s)))
    assert shapes.pool2d_flops(c, (r, s), (p, q)) == compared


def test_groups_that_do_not_divide_have_no_parameters():
    with pytest.raises(ValueError, match=r"groups=4 must divide the 6 channels.*Use one of groups=1, 2,"):
        shapes.conv2d_parameters(6, 8, 3, groups=4)


# ---- shapes of the ops

@pytest.mark.parametrize(("arguments", "expected"), [
    (((32, 3, 28, 56), (8, 3, 3, 3)), (32, 8, 26, 54)),
    (((32, 3, 28, 56), (8, 3, 3, 3), (2, 1), ((1, 1), (0, 2))), (32, 8, 14, 56)),
    (((32, 3, 28, 56), (8, 3, 3, 3), 2, "same"), (32, 8, 14, 28)),
    (((1, 4, 9, 9), (6, 2, 3, 3), (1, 1), ((0, 0), (0, 0)), (2, 4), 2), (1, 6, 5, 1)),
    (((0, 1, 5, 5), (1, 1, 5, 5)), (0, 1, 1, 1)),
    (((2, 3, 2, 2), (3, 1, 3, 3), 1, 1, 1, 3), (2, 3, 2, 2)),
])
def test_conv2d_shape_by_hand(arguments, expected):
    assert shapes.conv_output_shape(*arguments) == expected


@pytest.mark.parametrize(("arguments", "expected"), [
    (((32, 8, 28, 56), (2, 2), (2, 2)), (32, 8, 14, 28)),
    (((32, 8, 28, 56), 2), (32, 8, 14, 28)),
    (((1, 1, 5, 6), (3, 2), (2, 2), ((1, 1), (0, 0)), (1, 1), True), (1, 1, 3, 3)),
    (((1, 1, 6, 6), (3, 3), (2, 2), ((0, 0), (0, 0)), (1, 1), True), (1, 1, 3, 3)),
    (((1, 1, 6, 6), 3, 2, 0, 1, True), (1, 1, 3, 3)),
    (((1, 1, 6, 6), 3, 2, "same"), (1, 1, 3, 3)),
    (((0, 2, 7, 7), 3, 1, 0, 3), (0, 2, 1, 1)),
])
def test_pool2d_shape_by_hand(arguments, expected):
    assert shapes.pool_output_shape(*arguments) == expected


@pytest.mark.parametrize(("arguments", "parts"), [
    (((8, 1, 28, 28), (16, 3, 3, 3)),
     ["(8, 1, 28, 28)", "(16, 3, 3, 3)", "1 channel,", "takes 3", "(16, 1, 3, 3)"]),
    (((8, 4, 9, 9), (6, 4, 3, 3), 1, 0, 1, 2), ["has 4 channels", "takes 8", "(6, 2, 3, 3)"]),
    (((8, 4, 9, 9), (15, 2, 3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 2),
     ["groups=2 must divide", "15 channels of the output", "groups=1,"]),
    (((8, 4, 9, 9), (15, 2, 3, 3), 1, 0, 1, 0), ["groups=0 must divide"]),
    (((8, 3, 28, 4), (16, 3, 5, 5)),
     ["(8, 3, 28, 4)", "(16, 3, 5, 5)", "5 of 4 pixels of width", "padding=2 gives 4"]),
    (((28, 28), (16, 3, 5, 5)), ["(N, C, H, W)", "(28, 28)", "(1, C, H, W)"]),
    (((8, 3, 28, 28), (16, 3, 5)), ["(K, C/groups, R, S)", "(16, 3, 5)"]),
])
def test_conv2d_shapes_that_do_not_fit_name_the_op_the_shapes_and_the_fix(arguments, parts):
    with pytest.raises(ValueError, match=r"^conv2d ") as caught:
        shapes.conv_output_shape(*arguments)
    assert [part for part in parts if part not in str(caught.value)] == []


@pytest.mark.parametrize(("arguments", "parts"), [
    (((8, 3, 1, 1), 2),
     ["(8, 3, 1, 1)", "kernel_size=(2, 2)", "2 of 1 pixels of height and width", "padding=1 gives"]),
    (((8, 3, 9, 9), 2, 2, 2), ["padding=((2, 2), (2, 2))", "at most half", "padding=(1, 1) or less"]),
    (((8, 3, 3, 9), (4, 4), (1, 1)), ["4 of 3 pixels of height"]),
    (((8, 3, 9, 9), (2, 2), (2, 2), ((0, 0), (0, 2))), ["at most half"]),
    (((8, 3, 9, 9), (2, 2), (2, 2), ((2, 0), (0, 0))), ["at most half"]),
    (((8, 9, 9), 2), ["(N, C, H, W)", "(8, 9, 9)"]),
])
def test_pooling_that_does_not_fit_names_the_op_the_shapes_and_the_fix(arguments, parts):
    with pytest.raises(ValueError, match=r"^max_pool2d ") as caught:
        shapes.pool_output_shape(*arguments, op="max_pool")
    assert [part for part in parts if part not in str(caught.value)] == []


@pytest.mark.parametrize("name", ["stride", "dilation"])
@pytest.mark.parametrize("value", [(0, 1), (1, -1), (1, 0), 0, "a"])
def test_the_ops_refuse_a_stride_or_dilation_below_one(name, value):
    window = {"stride": (1, 1), name: value}
    with pytest.raises((TypeError, ValueError), match=f"{name} must be"):
        shapes.conv_output_shape((1, 1, 9, 9), (1, 1, 3, 3), **window)
    with pytest.raises((TypeError, ValueError), match=f"{name} must be"):
        shapes.pool_output_shape((1, 1, 9, 9), (3, 3), **window)


def test_padding_may_be_half_of_the_kernel_as_in_pytorch():
    torch = pytest.importorskip("torch")
    for p, k in product(range(5), range(1, 6)):
        try:
            expected = tuple(torch.nn.functional.max_pool2d(torch.zeros(1, 1, 9, 9), k, 1, p).shape)
        except RuntimeError:
            with pytest.raises(ValueError, match="at most half"):
                shapes.pool_output_shape((1, 1, 9, 9), k, 1, p)
        else:
            assert shapes.pool_output_shape((1, 1, 9, 9), k, 1, p) == expected, (p, k)


def test_pooling_with_same_padding_is_possible_with_dilation():
    assert shapes.pool_output_shape((1, 1, 9, 9), 3, 1, "same", 3) == (1, 1, 9, 9)
