"""Likelihoods whose outputs mix: any function of rows, and distances of features.

    any loss      ℓ(x, f)                  a function of the user's
    perceptual    ‖φ(x) − φ(f)‖²           φ a function of the user's

The best constant output f₀ is found by minimisation from several starts. The curvature of a
perceptual loss is the *full* Hessian of ⟨‖φ(x) − φ(f)‖²⟩ at f₀. Its first part 2JᵀJ, known as
Gauss–Newton, is all of it only where φ(f₀) = ⟨φ(x)⟩, and in general no f has these features
(`landau-vae derive any-reconstruction-loss`). It depends on the rows through ⟨φ(x)⟩ alone, so
products of it with a vector cost one pass through φ. From `DENSE` outputs on it is not formed:
the curvature is a function that multiplies.
"""
