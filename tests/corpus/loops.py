"""Numerical methods as one writes them for Numba: loops over cells, in place."""

from __future__ import annotations

import numpy as np

from .cases import case, spd


@case(lambda r, n: (r.normal(size=n), 0.2), single=False)
def burgers_upwind(u0, dt):
    """A 1-D stencil whose direction depends on the data."""
    u, new = u0.copy(), np.empty_like(u0)
    n = u.shape[0]
    for _ in range(6):
        for i in range(n):
            left, right = u[i - 1], u[(i + 1) % n]
            slope = u[i] - left if u[i] > 0.0 else right - u[i]
            new[i] = u[i] - dt * u[i] * slope
        u[:] = new
    return np.sum(u**2)


@case(lambda r, n: (r.uniform(0, 1, (n, n + 1)), 0.15))
def reaction_diffusion(a, rate):
    """Gray and Scott's equations, two fields, periodic."""
    n, m = a.shape
    b = 1.0 - a
    for _ in range(3):
        da, db = np.zeros((n, m)), np.zeros((n, m))
        for i in range(n):
            for j in range(m):
                up, down = (i - 1) % n, (i + 1) % n
                left, right = (j - 1) % m, (j + 1) % m
                r = a[i, j] * b[i, j] ** 2
                la = a[up, j] + a[down, j] + a[i, left] + a[i, right] - 4.0 * a[i, j]
                lb = b[up, j] + b[down, j] + b[i, left] + b[i, right] - 4.0 * b[i, j]
                da[i, j] = 0.16 * la - r + rate * (1.0 - a[i, j])
                db[i, j] = 0.08 * lb + r - (rate + 0.06) * b[i, j]
        a = a + da
        b = b + db
    return np.mean(a * a) + np.max(b)


@case(lambda r, n: (r.uniform(0.2, 0.8, (n, n + 2)),))
def life_relaxed(cells):
    """Conway's game with smooth births and deaths; borders are dead."""
    rows, columns = cells.shape
    for _ in range(2):
        after = np.zeros_like(cells)
        for i in range(rows):
            for j in range(columns):
                alive = 0.0
                for di in (-1, 0, 1):
                    for dj in (-1, 0, 1):
                        if di == 0 and dj == 0:
                            continue
                        if 0 <= i + di < rows and 0 <= j + dj < columns:
                            alive += cells[i + di, j + dj]
                birth = 1.0 / (1.0 + np.exp(-4.0 * (alive - 2.5)))
                death = 1.0 / (1.0 + np.exp(-4.0 * (alive - 3.5)))
                after[i, j] = birth - death * (1.0 - 0.3 * cells[i, j])
        cells = after
    return cells.sum()


@case(lambda r, n: (r.normal(size=(n, n + 1)), r.normal(size=(3, 5))))
def convolution_with_borders(image, kernel):
    """Neighbours outside of the image are those at its border."""
    h, w = image.shape
    kh, kw = kernel.shape
    out = np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            acc = 0.0
            for p in range(kh):
                for q in range(kw):
                    y = min(max(i + p - kh // 2, 0), h - 1)
                    x = min(max(j + q - kw // 2, 0), w - 1)
                    acc += image[y, x] * kernel[p, q]
            out[i, j] = np.tanh(acc)
    return np.sum(out**2)


@case(lambda r, n: (r.normal(size=3 * n),), kinks=True)
def exclusive_scan(x):
    """Prefix sums by doubling, as they are taught for a GPU."""
    n = x.shape[0]
    a = x.copy()
    d = 1
    while d < n:
        b = a.copy()
        for i in range(d, n):
            b[i] = a[i] + a[i - d]
        a = b
        d *= 2
    return np.dot(a, np.sin(x))


@case(lambda r, n: (r.uniform(0.5, 3.5, 3 * n), r.uniform(0.1, 1.0, 3 * n)), kinks=True)
def weighted_bins(x, weights):
    edges = np.linspace(0.0, 4.0, 9)
    h = np.zeros(8)
    for k in range(len(x)):
        lo, hi = 0, 8
        while hi - lo > 1:
            mid = (lo + hi) // 2
            if x[k] >= edges[mid]:
                lo = mid
            else:
                hi = mid
        h[lo] += weights[k] * x[k]
    total = h.sum()
    entropy = 0.0
    for v in h:
        if v > 0.0:
            entropy -= v / total * np.log(v / total)
    return entropy


@case(lambda r, n: (r.normal(size=3 * n),))
def largest_three(x):
    """Kept in order by insertion."""
    best = np.full(3, -np.inf)
    for v in x:
        for k in range(3):
            if v > best[k]:
                for j in range(2, k, -1):
                    best[j] = best[j - 1]
                best[k] = v
                break
    return best[0] * best[1] + best[2] ** 2


@case(lambda r, n: (r.uniform(-0.8, 0.3, n), r.uniform(-0.7, 0.7, n)), single=False)
def smooth_escape_time(cx, cy):
    """The fractional iteration count of the Mandelbrot set."""
    colour = np.zeros(len(cx))
    for p in range(len(cx)):
        a = b = 0.0
        k = 0
        while k < 40 and a * a + b * b <= 100.0:
            a, b = a * a - b * b + cx[p], 2.0 * a * b + cy[p]
            k += 1
        r2 = a * a + b * b
        colour[p] = k + 1 - np.log2(0.5 * np.log(r2 + 4.0))
    return np.mean(colour)


@case(lambda r, n: (r.uniform(0.5, 0.9, n), r.uniform(0.1, 1.0, n)), single=False)
def kepler(e, m):
    """Newton's method for each orbit, with its own number of steps."""
    x = np.zeros_like(e)
    for i in range(e.size):
        z = m[i] + e[i]
        for _ in range(30):
            step = (z - e[i] * np.sin(z) - m[i]) / (1.0 - e[i] * np.cos(z))
            z -= step
            if abs(step) < 1e-14:
                break
        else:
            raise ValueError("no convergence")
        x[i] = z
    return np.sum(np.cos(x) * e)


@case(lambda r, n: (2.5, r.uniform(0.5, 1.5, n)), single=False)
def implicit_bisection(a, w):
    """sum w x^3 + x = a: bisection finds x, one Newton step gives its derivative."""
    s = np.sum(w)
    lo, hi = 0.0, 2.0 + abs(a)
    for _ in range(60):
        mid = 0.5 * (lo + hi)
        if s * mid**3 + mid < a:
            lo = mid
        else:
            hi = mid
    x = 0.5 * (lo + hi)
    x = x - (s * x**3 + x - a) / (3.0 * s * x * x + 1.0)
    return x - (s * x**3 + x - a) / (3.0 * s * x * x + 1.0)


@case(lambda r, n: (r.uniform(0, 1, 2 * n), r.uniform(0.5, 1, 2 * n)), kinks=True)
def cloud_in_cell(x, q):
    """Charges onto a periodic grid, the field by a running sum, and the force back at the particles."""
    cells = 6
    rho = np.zeros(cells)
    for p in range(len(x)):
        s = (x[p] % 1.0) * cells
        k = int(s)
        f = s - k
        rho[k % cells] += q[p] * (1.0 - f)
        rho[(k + 1) % cells] += q[p] * f
    rho -= rho.mean()
    field = np.empty(cells)
    acc = 0.0
    for k in range(cells):
        acc += rho[k]
        field[k] = acc
    work = 0.0
    for p in range(len(x)):
        s = (x[p] % 1.0) * cells
        k = int(np.floor(s))
        work += q[p] * ((1.0 - (s - k)) * field[k % cells] + (s - k) * field[(k + 1) % cells])
    return work


@case(lambda r, n: (np.array([0.2, -0.1, 0.4]), r.normal(size=(n, 3)) * 0.2), single=False)
def ray_march(origin, centres):
    """Sphere tracing through a smooth union of balls, until a hit or the horizon."""
    light = 0.0
    for k in range(5):
        d = np.array([0.3 * k - 0.6, 0.2, 1.0])
        d = d / np.sqrt(d[0] ** 2 + d[1] ** 2 + d[2] ** 2)
        t = 0.0
        steps = 0
        while True:
            p = origin - np.array([0.0, 0.0, 3.0]) + t * d
            near = 0.0
            for c in range(centres.shape[0]):
                near += np.exp(-6.0 * (np.linalg.norm(p - centres[c]) - 0.5))
            gap = -np.log(near) / 6.0
            steps += 1
            if gap < 1e-3 or steps >= 40:
                break
            t += gap
            if t > 6.0:
                break
        light += np.exp(-0.3 * t)
    return light


@case(lambda r, n: (r.normal(size=2 * n), 0.3, 0.5), single=False)
def kalman_filter(y, q, s):
    """Position and velocity; the log-likelihood of the observations."""
    m, P = np.zeros(2), np.eye(2)
    F = np.array([[1.0, 0.1], [0.0, 1.0]])
    total = 0.0
    for t in range(len(y)):
        m = F @ m
        P = F @ P @ F.T + q * np.eye(2)
        v = P[0, 0] + s
        e = y[t] - m[0]
        total += np.log(v) + e * e / v
        gain = P[:, 0] / v
        m = m + gain * e
        P = P - np.outer(gain, gain) * v
    return -0.5 * total


@case(lambda r, n: (0.02, 0.3, r.normal(size=4 * n)), kinks=True, single=False)
def barrier_option(rate, sigma, noise):
    """A walk that may be knocked out."""
    s, dt = 1.0, 0.02
    alive = True
    for z in noise:
        s *= np.exp((rate - 0.5 * sigma**2) * dt + sigma * np.sqrt(dt) * z)
        if s > 3.0:
            alive = False
            break
    return max(s - 0.5, 0.0) if alive else 0.1 * rate


@case(lambda r, n: (r.normal(size=3 * n), 0.4), single=False)
def moving_averages(x, alpha):
    """A window that slides, and exponential forgetting."""
    n, w = len(x), 5
    s = 0.0
    for i in range(w):
        s += x[i]
    out = np.empty(n - w + 1)
    out[0] = s / w
    for i in range(w, n):
        s += x[i] - x[i - w]
        out[i - w + 1] = s / w
    e = x[0]
    dev = 0.0
    for i in range(1, n):
        e = alpha * x[i] + (1 - alpha) * e
        dev += (x[i] - e) ** 2
    return np.sum(out**2) * dev


@case(lambda r, n: (r.normal(size=2 * n),), kinks=True)
def drawdown(x):
    """A running maximum and what follows it."""
    high, worst = x[0], 0.0
    path = np.cumsum(x)
    peaks = np.zeros(len(x))
    for i in range(len(path)):
        high = max(high, path[i])
        peaks[i] = high
        worst = min(worst, path[i] - high)
    return worst + 0.1 * np.sum(peaks)


@case(lambda r, n: (r.normal(size=4 * n),))
def runs_of_one_sign(x):
    """Run lengths weigh the sums of the runs."""
    total, run, length = 0.0, 0.0, 0
    for i in range(len(x)):
        if i > 0 and (x[i] > 0) != (x[i - 1] > 0):
            total += run * run / length
            run, length = 0.0, 0
        run += x[i]
        length += 1
    return total + run * run / max(length, 1)


@case(lambda r, n: (r.normal(size=(n, n)) / n, 11))
def matrix_power(a, k):
    """By repeated squaring."""
    result = np.eye(a.shape[0])
    base = a + 0.5 * np.eye(a.shape[0])
    while k > 0:
        if k % 2 == 1:
            result = result @ base
        base = base @ base
        k //= 2
    return np.trace(result)


@case(lambda r, n: (r.normal(size=n), r.uniform(-1, 1, 5)))
def clenshaw(c, x):
    """Chebyshev series, backwards; its values and their derivatives by Horner-like recurrences."""
    total = 0.0
    for k in range(x.shape[0]):
        b1 = b2 = 0.0
        for j in range(c.shape[0] - 1, 0, -1):
            b1, b2 = c[j] + 2.0 * x[k] * b1 - b2, b1
        total += (c[0] + x[k] * b1 - b2) ** 2
    return total


def make_sparse(r, n):
    counts = r.integers(0, 4, n)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    nnz = int(indptr[-1])
    return r.normal(size=nnz), r.integers(0, n, nnz), indptr, r.normal(size=n)


@case(make_sparse)
def sparse_matvec(data, indices, indptr, x):
    """Compressed rows, twice."""
    y = x
    for _ in range(2):
        z = np.zeros(x.shape[0])
        for i in range(x.shape[0]):
            s = 0.0
            for k in range(indptr[i], indptr[i + 1]):
                s += data[k] * y[indices[k]]
            z[i] = s + 0.1 * y[i]
        y = np.tanh(z)
    return np.dot(y, x)


@case(lambda r, n: (r.normal(size=16), r.normal(size=16)))
def butterflies(re, im):
    """The fast Fourier transform of 16 numbers, in place, on real and imaginary parts."""
    re, im = re.copy(), im.copy()
    n = re.shape[0]
    j = 0
    for i in range(1, n):
        bit = n >> 1
        while j & bit:
            j ^= bit
            bit >>= 1
        j |= bit
        if i < j:
            re[i], re[j] = re[j], re[i]
            im[i], im[j] = im[j], im[i]
    width = 2
    while width <= n:
        for start in range(0, n, width):
            for k in range(width // 2):
                angle = -2.0 * np.pi * k / width
                c, s = np.cos(angle), np.sin(angle)
                p, q = start + k, start + k + width // 2
                tr, ti = re[q] * c - im[q] * s, re[q] * s + im[q] * c
                re[q], im[q] = re[p] - tr, im[p] - ti
                re[p], im[p] = re[p] + tr, im[p] + ti
        width *= 2
    return np.sum((re**2 + im**2) ** 0.75 * np.arange(16.0))


@case(lambda r, n: (r.normal(size=(n, n)), r.normal(size=n)))
def lu_with_pivoting(a, b):
    """The pivot by a loop, rows swapped in place, then both triangles solved."""
    a, b = a.copy(), b.copy()
    n = a.shape[0]
    for k in range(n - 1):
        p, largest = k, abs(a[k, k])
        for i in range(k + 1, n):
            if abs(a[i, k]) > largest:
                p, largest = i, abs(a[i, k])
        if p != k:
            for j in range(n):
                a[k, j], a[p, j] = a[p, j], a[k, j]
            b[k], b[p] = b[p], b[k]
        for i in range(k + 1, n):
            f = a[i, k] / a[k, k]
            for j in range(k + 1, n):
                a[i, j] -= f * a[k, j]
            b[i] -= f * b[k]
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            b[i] -= a[i, j] * b[j]
        b[i] /= a[i, i]
    return np.sum(np.tanh(b))


@case(lambda r, n: (spd(r, n), r.normal(size=n)), single=False)
def conjugate_gradients_to_tolerance(a, b):
    """The number of iterations depends on the data."""
    a = 0.5 * (a + a.T)
    x, res = np.zeros_like(b), b.copy()
    p, rs = res.copy(), b @ b
    for _ in range(2 * len(b)):
        ap = a @ p
        step = rs / (p @ ap)
        x += step * p
        res -= step * ap
        new = res @ res
        if np.sqrt(new) < 1e-13:
            break
        p = res + new / rs * p
        rs = new
    return x @ x


@case(lambda r, n: (spd(r, n),))
def cholesky_by_columns(a):
    n = a.shape[0]
    low = np.zeros((n, n))
    for j in range(n):
        s = a[j, j]
        for k in range(j):
            s -= low[j, k] ** 2
        if s <= 0.0:
            raise ValueError("not positive definite")
        low[j, j] = np.sqrt(s)
        for i in range(j + 1, n):
            low[i, j] = (a[i, j] - np.dot(low[i, :j], low[j, :j])) / low[j, j]
    return 2.0 * np.sum(np.log(np.diag(low)))
