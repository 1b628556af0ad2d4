"""Python -> Fn: the fence, the rewriter and the tracer."""
