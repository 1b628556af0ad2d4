"""NumPy, SciPy and math on operands: one pure function for each covered name.

    elementwise.py  special.py          numbers, cell by cell
    reductions.py                       sum ... cumprod
    shapes.py  assembly.py  creation.py reshaping; joining and repeating; making
    products.py  linalg.py              matmul ... einsum; solve ... norm
    python.py                           the builtins, operators and math

Each module ends in a table of what it covers; `front/names.py` joins the tables.
"""
