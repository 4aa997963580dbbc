"""Shapes: depths, boxes and smooth noise."""

import numpy as np

from kits_msan.phantom.shapes import Space, ellipsoid, smooth_noise, tube

# Shapes


def grid_space(size: int = 21) -> Space:
    """Points 1 mm apart around 0."""
    line = np.arange(size, dtype=np.float32) - size // 2
    z, y, x = np.meshgrid(line, line, line, indexing="ij")
    return Space(z, y, x, np.zeros_like(z), np.zeros_like(z), np.zeros_like(z))


def test_depth_of_a_ball_and_of_a_tube_is_the_distance_to_the_surface() -> None:
    space = grid_space()
    ball = ellipsoid((0, 1, 0), (6, 6, 6)).depth(space)
    assert np.allclose(ball, 6 - np.sqrt(space.z**2 + (space.y - 1) ** 2 + space.x**2), atol=1e-3)
    pipe = tube([(-9, 0, 0), (9, 0, 0)], 4).depth(space)[2:-2]  # its ends are round
    assert np.allclose(pipe, (4 - np.hypot(space.y, space.x))[2:-2], atol=1e-3)


def test_a_tube_lies_where_its_points_are() -> None:
    space = grid_space()
    pipe = tube([(-9, 2, 3), (9, 2, 3)], 4).depth(space)[2:-2]
    assert np.allclose(pipe, (4 - np.hypot(space.y - 2, space.x - 3))[2:-2], atol=1e-3)


def test_shapes_lie_inside_their_boxes() -> None:
    space = grid_space(41)
    turned = ((np.cos(0.6), 0, np.sin(0.6)), (0, 1, 0), (-np.sin(0.6), 0, np.cos(0.6)))
    for shape in (
        ellipsoid((1, 2, -3), (12, 4, 7), turned, bend=3),
        tube([(-8, 0, 0), (5, 5, -9)], 2, 5),
        (tube([(-8, 0, 0), (5, 5, -9)], 2) | ellipsoid((4, 4, 4), (3, 3, 3))).grown(2),
    ):
        inside = np.argwhere(shape.depth(space) > 0) - 20
        assert len(inside)
        assert (inside.min(0) >= shape.low).all()
        assert (inside.max(0) <= shape.high).all()


def test_smooth_noise_is_standard_and_does_not_depend_on_the_grid() -> None:
    coarse, fine = (np.arange(-200, 200, step, dtype=np.float32) for step in (8, 4))
    one = smooth_noise(np.random.default_rng(0), 20, (coarse, coarse, coarse))
    two = smooth_noise(np.random.default_rng(0), 20, (fine, fine, fine))
    assert np.allclose(one, two[::2, ::2, ::2], atol=1e-5)
    assert abs(one.mean()) < 0.1
    assert 0.8 < one.std() < 1.2
