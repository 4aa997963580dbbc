"""The exercise 2.1, a shape: its solution and common mistakes."""

from kits_msan.course.exercises.exercise import Exercise

EXERCISE = Exercise(
    solution=lambda: (2, 128, 4, 128, 128),
    why="two poolings double the channels twice and halve rows and columns twice; the slices stay 4.",
    hint="Level 2 lies below two poolings: channels double and rows and columns halve at each.",
    parts={
        "N": "N is the number of slabs that go in, 2.",
        "C": "The channels begin with 32 at level 0 and double at each of the two poolings.",
        "D": "Pooling is (1, 2, 2): the 4 slices stay.",
        "H": "The rows begin with 512 at level 0 and are halved by each of the two poolings.",
        "W": "The columns begin with 512 at level 0 and are halved by each of the two poolings.",
    },
    mistakes={
        "the batch is missing: a tensor is (N, C, D, H, W), and there are two slabs.": lambda: (128, 4, 128, 128),
        "the slices were pooled too; pooling is (1, 2, 2), in the plane only.": lambda: (2, 128, 1, 128, 128),
        "you are one level too deep: level 0 is the finest, before any pooling.": lambda: (2, 256, 4, 64, 64),
        "you are one level too high: level 0 is the finest, before any pooling.": lambda: (2, 64, 4, 256, 256),
        "this is level 0; level 2 lies two poolings below.": lambda: (2, 32, 4, 512, 512),
        "the channels double at each pooling.": lambda: (2, 32, 4, 128, 128),
        "the channels double twice, so they are four times as many.": lambda: (2, 64, 4, 128, 128),
        "each channel has its own weights: the shape is that of F_2, not one map.": lambda: (2, 1, 4, 128, 128),
        "the order is (N, C, D, H, W); channels come second, before slices.": lambda: (2, 4, 128, 128, 128),
        "the order is (N, C, D, H, W); slices come third, not last.": lambda: (2, 128, 128, 128, 4),
        "pooling doubles the channels but halves rows and columns.": lambda: (2, 128, 4, 512, 512),
        "rows and columns are halved twice, so they are a quarter of 512.": lambda: (2, 128, 4, 256, 256),
        "two slabs of 4 slices are N = 2 and D = 4, not one slab of 8.": lambda: (1, 128, 8, 128, 128),
        "the four slices are D, and N is the number of slabs: the two are exchanged.": lambda: (
            4,
            128,
            2,
            128,
            128,
        ),
    },
)
