"""Rotations, cameras, meshes, curves, optics."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

from .cases import case


def rotation(axis_angle):
    """Rodrigues' formula."""
    theta = np.sqrt(np.sum(axis_angle**2) + 1e-12)
    x, y, z = axis_angle / theta
    k = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(theta) * k + (1 - np.cos(theta)) * (k @ k)


@case(lambda r, n: (r.normal(size=3) / 3, r.normal(size=3), r.normal(size=(n, 3)), r.normal(size=(n, 3))))
def alignment(axis_angle, shift, source, target):
    moved = source @ rotation(axis_angle).T + shift
    return np.mean(np.linalg.norm(moved - target, axis=1))


@case(lambda r, n: (r.normal(size=4), r.normal(size=(n, 3))))
def quaternion(q, points):
    w, x, y, z = q / np.linalg.norm(q)
    m = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    return np.sum((points @ m)[:, :2] ** 3)


def make_scene(r, n):
    cameras = {"shift": r.normal(size=(2, 3)), "focal": r.uniform(0.8, 1.2, 2), "distortion": r.normal(size=(2, 2)) / 100}
    points = r.normal(size=(n, 3)) + [0, 0, 8.0]
    which, seen = r.integers(0, 2, 2 * n), r.integers(0, n, 2 * n)
    return cameras, points, which, seen, r.normal(size=(2 * n, 2))


@case(make_scene)
def bundle_adjustment(cameras, points, which, seen, observed):
    p = points[seen] - cameras["shift"][which]
    image = p[:, :2] / p[:, 2:]
    r2 = np.sum(image**2, axis=1)
    k = cameras["distortion"][which]
    radial = 1 + k[:, 0] * r2 + k[:, 1] * r2**2
    predicted = (cameras["focal"][which] * radial)[:, None] * image
    return 0.5 * np.sum((predicted - observed) ** 2)


def make_mesh(r, n):
    triangles = np.stack([np.arange(n - 2), np.arange(1, n - 1), np.arange(2, n)], axis=1)
    rest = np.stack([np.arange(n) * 0.5, np.arange(n) % 2], axis=1) + r.uniform(-0.1, 0.1, (n, 2))
    return rest + r.uniform(-0.05, 0.05, (n, 2)), rest, triangles


@case(make_mesh)
def neo_hookean(x, rest, triangles, mu=1.0, lam=2.0):
    """Elastic energy of a mesh."""

    def edges(v):
        a, b, c = v[triangles[:, 0]], v[triangles[:, 1]], v[triangles[:, 2]]
        return np.stack([b - a, c - a], axis=-1)

    rest_edges = edges(rest)
    area = 0.5 * np.abs(np.linalg.det(rest_edges))
    f = edges(x) @ np.linalg.inv(rest_edges)
    j = np.linalg.det(f)
    energy = mu / 2 * (np.sum(f**2, axis=(1, 2)) - 2) - mu * np.log(j) + lam / 2 * np.log(j) ** 2
    return np.sum(area * energy)


@case(lambda r, n: (r.normal(size=(4, 2)), np.linspace(0, 1, n), r.normal(size=(n, 2))))
def bezier(control, t, target):
    degree = len(control) - 1
    curve = sum(math.comb(degree, k) * (t**k * (1 - t) ** (degree - k))[:, None] * control[k] for k in range(degree + 1))
    length = np.sum(np.sqrt(np.sum(np.diff(curve, axis=0) ** 2, axis=1) + 1e-9))
    return np.sum((curve - target) ** 2) + 0.1 * length


@case(lambda r, n: ([0.5, 1.0, 0.8], [50.0, -30.0, 40.0], r.normal(size=(2, n))), single=False)
def lenses(distances, focal_lengths, rays):
    """Products of ray matrices."""
    parts = []
    for d, f in zip(distances, focal_lengths):
        parts.append(np.array([[1.0, d], [0.0, 1.0]]))
        parts.append(np.array([[1.0, 0.0], [-1 / f, 1.0]]))
    system = reduce(np.matmul, reversed(parts))
    return np.var((system @ rays)[0])


@case(lambda r, n: (1.0, 1.5, r.uniform(0.1, 0.6, n)), single=False)
def refraction(n1, n2, angle):
    """Fresnel's reflectance."""
    out = np.arcsin(n1 / n2 * np.sin(angle))
    s = (n1 * np.cos(angle) - n2 * np.cos(out)) / (n1 * np.cos(angle) + n2 * np.cos(out))
    p = (n1 * np.cos(out) - n2 * np.cos(angle)) / (n1 * np.cos(out) + n2 * np.cos(angle))
    return np.mean(s**2 + p**2) / 2


@case(lambda r, n: (r.normal(size=(n, 2)),))
def polygon(v):
    """Area by the shoelace formula, perimeter, and curvature at the corners."""
    after = np.roll(v, -1, axis=0)
    area = 0.5 * np.sum(v[:, 0] * after[:, 1] - after[:, 0] * v[:, 1])
    edges = after - v
    perimeter = np.sum(np.hypot(edges[:, 0], edges[:, 1]))
    turn = np.arctan2(edges[:, 1], edges[:, 0])
    return area / perimeter**2 + 0.1 * np.sum(np.cos(np.diff(turn)))


@case(lambda r, n: (r.normal(size=(n + 3, n + 5)), r.normal(size=(n + 3, n + 5))))
def total_variation(u, noisy, weight=0.1):
    dx, dy = u[:, 1:] - u[:, :-1], np.diff(u, axis=0)
    return 0.5 * np.sum((u - noisy) ** 2) + weight * np.sum(np.sqrt(dx[:-1] ** 2 + dy[:, :-1] ** 2 + 1e-3))


@case(lambda r, n: (np.array([0.1, 0.2]), r.uniform(-1, 1, n), r.uniform(0.5, 1, n)))
def robot_arm(target, angles, lengths):
    """Forward kinematics."""
    total = np.cumsum(angles)
    tip = np.array([np.sum(lengths * np.cos(total)), np.sum(lengths * np.sin(total))])
    return np.linalg.norm(tip - target) + 0.01 * np.sum(angles**2)
