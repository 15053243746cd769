"""Threefry in Python numbers, for tests of draws and keys."""

WORD = 0xFFFFFFFF


def by_hand(key, count, first=0):
    """Words of Threefry-2x32-20 from counter `first` on, one Python int at a time, as the paper has it."""
    words = []
    schedule = [key[0], key[1], 0x1BD11BDA ^ key[0] ^ key[1]]
    for counter in range(first, first + (count + 1) // 2):
        a, b = counter % 2**32 + key[0], counter // 2**32 + key[1]
        for d, rotation in enumerate([13, 15, 26, 6, 17, 29, 16, 24, 13, 15, 26, 6, 17,
                                      29, 16, 24, 13, 15, 26, 6]):
            a = (a + b) % 2**32
            b %= 2**32
            b = (b * 2**rotation % 2**32 + b // 2 ** (32 - rotation)) ^ a
            if d % 4 == 3:
                s = (d + 1) // 4
                a, b = a + schedule[s % 3], b + schedule[(s + 1) % 3] + s
        words += [a % 2**32, b % 2**32]
    return words[:count]
