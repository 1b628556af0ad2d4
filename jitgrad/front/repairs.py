"""What to write instead of library functions that are not covered: the text after `repair:` in the refusal."""

from __future__ import annotations

SORTED = "the order depends on the data: sort outside of the function and pass the order as an index array, x[order]"
SIZED = "the size of the result depends on the data: keep the shape with np.where(mask, x, 0.0), or loop"
SVD = "of a symmetric positive definite matrix use np.linalg.cholesky; of a linear system np.linalg.solve"
LOOPED = "write a loop, or the expression on whole arrays"
DRAWN = "draw the random numbers outside of the function and pass them as an argument"
COMPLEX = "complex numbers are not supported: carry the real and imaginary parts"
BITS = "it depends on how numbers are stored; there is no derivative"
WHOLE = "integers carry no derivative: compute it outside of the function"

# fmt: off
REPAIRS: dict[str, str] = {
    **dict.fromkeys(("np.sort", "np.argsort", "np.median", "np.percentile", "np.quantile", "np.partition", "np.argpartition",
                     "np.lexsort", "np.nanmedian", "np.sort_complex", "sorted", "np.msort"), SORTED),
    **dict.fromkeys(("np.nonzero", "np.flatnonzero", "np.argwhere", "np.unique", "np.extract", "np.compress", "np.delete",
                     "np.trim_zeros", "np.union1d", "np.intersect1d", "np.setdiff1d", "np.bincount", "np.histogram"), SIZED),
    **dict.fromkeys(("np.linalg.svd", "np.linalg.eig", "np.linalg.eigh", "np.linalg.eigvals", "np.linalg.eigvalsh",
                     "np.linalg.svdvals", "np.linalg.pinv", "np.linalg.matrix_rank", "np.linalg.cond", "np.linalg.qr",
                     "scipy.linalg.svd", "scipy.linalg.eigh", "scipy.linalg.eig", "scipy.linalg.qr", "scipy.linalg.expm",
                     "scipy.linalg.sqrtm", "scipy.linalg.logm"), SVD),
    "np.linalg.lstsq": "solve the normal equations: np.linalg.solve(a.T @ a, a.T @ b)",
    "scipy.linalg.lstsq": "solve the normal equations: np.linalg.solve(a.T @ a, a.T @ b)",
    "scipy.linalg.lu": "np.linalg.solve and np.linalg.det factorise for you",
    "scipy.linalg.lu_factor": "np.linalg.solve factorises for you",
    "np.linalg.tensorsolve": "reshape to a matrix and use np.linalg.solve",
    "np.linalg.tensorinv": "reshape to a matrix and use np.linalg.inv",
    **dict.fromkeys(("np.apply_along_axis", "np.apply_over_axes", "np.frompyfunc", "np.fromfunction",
                     "np.piecewise"), LOOPED),
    "np.nditer": "for v in x.flat: ..., or for i, j in np.ndindex(x.shape): ...",
    "np.select": "nest np.where: np.where(c1, x1, np.where(c2, x2, default))",
    "np.choose": "nest np.where, or stack the choices and index them",
    "np.putmask": "x[:] = np.where(mask, values, x)",
    "np.place": "x[:] = np.where(mask, values, x)",
    "np.insert": "use np.concatenate of the parts",
    "np.resize": "use np.tile and a slice",
    "np.nancumsum": "np.cumsum(np.where(np.isnan(x), 0.0, x))",
    "np.nanmax": "np.max(np.where(np.isnan(x), -np.inf, x))",
    "np.nanmin": "np.min(np.where(np.isnan(x), np.inf, x))",
    "np.nanvar": "write it with np.nanmean", "np.nanstd": "write it with np.nanmean",
    "np.corrcoef": "write it with np.cov",
    "np.correlate": "np.convolve(a, v[::-1], mode)",
    "np.modf": "whole = np.trunc(x); x - whole",
    "np.polyfit": "solve the normal equations of np.vander(x, n)",
    "np.digitize": "np.searchsorted",
    "np.imag": COMPLEX, "np.angle": COMPLEX, "np.fft.*": COMPLEX, "cmath.*": COMPLEX, "complex": COMPLEX,
    "np.random.*": DRAWN, "random.*": DRAWN,
    "np.frexp": BITS, "np.nextafter": BITS, "np.spacing": BITS, "math.frexp": BITS, "math.nextafter": BITS, "math.ulp": BITS,
    "math.gcd": WHOLE, "math.lcm": WHOLE, "math.factorial": "math.gamma(n + 1)", "math.comb": WHOLE, "math.perm": WHOLE,
    "math.isqrt": WHOLE, "np.gcd": WHOLE, "np.lcm": WHOLE,
    "math.remainder": "x - y * np.rint(x / y)",
    "np.i0": "there is no Bessel function here yet",
    "np.allclose": "np.all(np.isclose(a, b))",
    "np.array_equal": "np.all(a == b)",
    "np.array_equiv": "np.all(a == b)",
    "np.iscomplexobj": "every number here is real",
    "np.result_type": "ask the dtype of an array: x.dtype",
    "np.save": "return the array, and save it outside of the function",
    "np.savetxt": "return the array, and save it outside of the function",
    "scipy.special.erfinv": "there is no inverse error function here yet",
    "scipy.special.ndtri": "there is no inverse error function here yet",
    "scipy.special.log_ndtr": "np.log(scipy.special.ndtr(x)), which loses accuracy far below 0",
    "scipy.special.loggamma": "scipy.special.gammaln",
    "scipy.special.comb": "write it with scipy.special.gammaln",
    "scipy.special.binom": "write it with scipy.special.gammaln",
}
# fmt: on
